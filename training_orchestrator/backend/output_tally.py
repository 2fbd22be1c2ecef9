"""Counts and logs the abandonments and other outputs that a manager receives."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from logging import INFO
from typing import Final

from journeys.schemas.money import MICROS
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.streams.partition import abandonment_tally as tally
from journeys.streams.partition.abandonment_metrics import BY_DEADLINE, delays_of
from journeys.streams.partition.effects import Effects
from training_orchestrator.api.figures import Figures
from training_orchestrator.backend.journey_update import MirrorHealth
from training_orchestrator.runtime.trainer_log import trainer_log

log = trainer_log("journeys.trainer")
_DELAYS_KEPT: Final = 1_000
_LOGGED_KINDS: Final = {
    "returned": "journey returned",
    "converted": "journey converted",
    "late_touchpoint": "touchpoint was late",
    "refused": "request refused",
}


class Tally(tally.Tally):
    """Running sums of a manager; pass each abandonment once."""

    __slots__ = ("_delays_ms", "by_kind", "dead_letters", "forgotten")

    def __init__(self) -> None:
        super().__init__()
        self.by_kind: Counter[str] = Counter()
        self.dead_letters = 0
        self.forgotten = 0
        self._delays_ms: deque[int] = deque(maxlen=_DELAYS_KEPT)

    def abandonments(self, records: Sequence[JourneyAbandoned]) -> None:
        """Count abandonments, and log each."""
        super().abandonments(records)
        self._delays_ms.extend(record.detected_at - record.abandoned_at for record in records[-_DELAYS_KEPT:])
        if not log.isEnabledFor(INFO):  # checked once: there may be thousands
            return
        for record in records:
            log.info(
                "journey abandoned",
                journey_id=record.journey_id,
                abandonment_id=record.abandonment_id,
                reason=record.abandonment_reason,
                total_penalty_micros=record.total_penalty_micros,
            )

    def lifecycle(self, records: Iterable[JourneyLifecycle]) -> None:
        """Count lifecycle records by kind, and log some kinds."""
        is_logged = log.isEnabledFor(INFO)
        for record in records:
            self.by_kind[record.kind] += 1
            if is_logged and record.kind in _LOGGED_KINDS:
                log.info(
                    _LOGGED_KINDS[record.kind],
                    journey_id=record.journey_id,
                    abandonment_id=record.abandonment_id,
                    lifecycle_id=record.lifecycle_id,
                )

    def effects(self, applied: Iterable[Effects]) -> None:
        """Count all outputs of records."""
        for effects in applied:
            self.abandonments(effects.abandonments)
            self.lifecycle(effects.lifecycle)
            self.dead_letters += len(effects.dead_letters)
            self.forgotten += len(effects.deleted)

    def figures(
        self,
        mode: str,
        *,
        is_healthy: bool,
        active: int | None,
        duplicates: int | None,
        does_cleanup: bool,
        redis: MirrorHealth | None = None,
    ) -> Figures:
        """Present figures; `does_cleanup` says whether this process does the cleanup."""
        count = self.by_reason.total()
        by_deadline = sum(self.by_reason[reason] for reason in BY_DEADLINE)
        return Figures(
            mode=mode,
            is_healthy=is_healthy,
            active_journeys=active,
            abandonments=count,
            abandonments_by_reason=dict(self.by_reason),
            total_penalty=self.total_penalty_micros / MICROS,
            average_penalty=self.total_penalty_micros / MICROS / count if count else None,
            timeout_share=by_deadline / count if count else None,
            detection_delay_seconds=max(self._delays_ms) / 1000 if self._delays_ms else None,
            detection_delays=delays_of(self),
            late_touchpoints=self.by_kind["late_touchpoint"],
            duplicates=duplicates,
            refused=self.by_kind["refused"],
            dead_letters=self.dead_letters,
            forgotten_journeys=self.forgotten if does_cleanup else None,
            redis_breaker=None if redis is None else redis.breaker_state,
            redis_openings=None if redis is None else redis.openings,
            redis_rebuilds=None if redis is None else redis.rebuilds,
        )
