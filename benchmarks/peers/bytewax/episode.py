"""An open episode as the Bytewax peer keeps it."""

from __future__ import annotations

from typing import Any, Final

from journeys.streams.rule.policy import DEFAULT_POLICY

_TIMEOUT_MS: Final = DEFAULT_POLICY.timeout_ms
_INACTIVITY_MS: Final = DEFAULT_POLICY.inactivity_ms


class Episode:
    """What an abandonment is made of. Instants in epoch milliseconds."""

    __slots__ = (
        "conversion_probability",
        "conversion_value_micros",
        "last_activity_at",
        "started_at",
        "state",
        "total_cost_micros",
        "touchpoint_count",
        "user_id",
    )

    def __init__(self, user_id: str | None, started_at: int) -> None:
        self.user_id = user_id
        self.started_at = started_at
        self.last_activity_at = started_at
        self.state = "UNAWARE"
        self.touchpoint_count = 0
        self.total_cost_micros = 0
        self.conversion_probability: float | None = None
        self.conversion_value_micros: int | None = None

    def stored(self) -> tuple[Any, ...]:
        """All of it, as a copy that does not change."""
        return tuple(getattr(self, name) for name in Episode.__slots__)

    @classmethod
    def restored(cls, stored: tuple[Any, ...]) -> Episode:
        """What `stored` gave, as an episode again."""
        episode = cls.__new__(cls)
        for name, value in zip(Episode.__slots__, stored, strict=True):
            setattr(episode, name, value)
        return episode

    @property
    def deadline_at(self) -> int:
        """The first instant at which it is no longer open, if nothing more comes."""
        return min(self.started_at + _TIMEOUT_MS, self.last_activity_at + _INACTIVITY_MS)
