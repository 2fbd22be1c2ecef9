"""Figures of a manager, for trainers and for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from journeys.schemas.metrics import Distribution


@dataclass(frozen=True, slots=True)
class Figures:
    """What a manager knows of its journeys. None stands for what this way of running can't know.

    Counts are since `start()`; money is in dollars, durations in seconds.
    """

    mode: str
    """`embedded` or `connected`."""
    is_healthy: bool
    """Whether the last attempt to reach the store went well."""
    active_journeys: int | None
    """Journeys with an open episode."""
    abandonments: int
    abandonments_by_reason: Mapping[str, int] = field(default_factory=dict)
    total_penalty: float = 0.0
    average_penalty: float | None = None
    timeout_share: float | None = None
    """Share of the abandonments that came by deadline (TIMEOUT or INACTIVITY)."""
    detection_delay_seconds: float | None = None
    """Greatest detected_at - abandoned_at of the latest 1,000 abandonments."""
    detection_delays: Distribution | None = None
    """How many abandonments were found out how late, in seconds: all since the start."""
    applied: int | None = None
    """Records that changed a journey."""
    late_touchpoints: int = 0
    duplicates: int | None = None
    refused: int = 0
    dead_letters: int = 0
    forgotten_journeys: int | None = None
    """Ended journeys whose rows were deleted by cleanup."""
    held_journeys: int | None = None
    """Journeys that have a row, those among them that have ended."""
    cleanup_lag_seconds: float | None = None
    """How long the row that waits longest for its deletion is overdue."""
    clock_lag_seconds: float | None = None
    """Time since the last punctuation."""
    restore_seconds: float | None = None
    """How long `start()` took to come back to where the file says."""
    redis_breaker: str | None = None
    """`closed`, `opened` or `half-opened`; None without Redis. Opened, Redis is behind, and nothing else is."""
    redis_openings: int | None = None
    """How often the breaker has opened."""
    redis_rebuilds: int | None = None
    """How often Redis was filled anew: at the start, and after whatever it may have lost."""
