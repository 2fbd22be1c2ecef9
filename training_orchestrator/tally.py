"""Counts what a manager sees of abandonments and of other outputs, and logs it by its ids."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from logging import INFO
from typing import Final

from schemas.records import JourneyAbandoned, JourneyLifecycle
from training_orchestrator.figures import Figures
from training_orchestrator.journey_update import Follower
from training_orchestrator.trainer_log import trainer_log

log = trainer_log("journeys.trainer")
DEADLINE_REASONS: Final = frozenset({"TIMEOUT", "INACTIVITY"})
_DELAYS_KEPT: Final = 1_000
_LOGGED_KINDS: Final = {
    "returned": "journey returned",
    "converted": "journey converted",
    "late_touchpoint": "touchpoint was late",
    "refused": "request refused",
}
_MICROS: Final = 1_000_000


class Tally:
    """Running sums; each abandonment must be given once."""

    def __init__(self) -> None:
        self.by_reason: Counter[str] = Counter()
        self.by_kind: Counter[str] = Counter()
        self.total_penalty_micros = 0
        self.dead_letters = 0
        self.forgotten = 0
        self._delays_ms: deque[int] = deque(maxlen=_DELAYS_KEPT)

    def abandonments(self, records: Iterable[JourneyAbandoned]) -> None:
        """Count abandonments."""
        is_logged = log.isEnabledFor(INFO)  # asked once: a turn may end thousands
        for record in records:
            self.by_reason[record.abandonment_reason] += 1
            self.total_penalty_micros += record.total_penalty_micros
            self._delays_ms.append(record.detected_at - record.abandoned_at)
            if is_logged:
                log.info(
                    "journey abandoned",
                    journey_id=record.journey_id,
                    abandonment_id=record.abandonment_id,
                    reason=record.abandonment_reason,
                    total_penalty_micros=record.total_penalty_micros,
                )

    def lifecycle(self, records: Iterable[JourneyLifecycle]) -> None:
        """Count lifecycle records by their kind."""
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

    def figures(
        self,
        mode: str,
        *,
        is_healthy: bool,
        active: int | None,
        duplicates: int | None,
        forgets: bool,
        redis: Follower | None = None,
    ) -> Figures:
        """Figures at this moment; `forgets` says whether this process does the cleanup."""
        count = self.by_reason.total()
        by_deadline = sum(self.by_reason[reason] for reason in DEADLINE_REASONS)
        return Figures(
            mode=mode,
            is_healthy=is_healthy,
            active_journeys=active,
            abandonments=count,
            abandonments_by_reason=dict(self.by_reason),
            total_penalty=self.total_penalty_micros / _MICROS,
            average_penalty=self.total_penalty_micros / _MICROS / count if count else None,
            timeout_share=by_deadline / count if count else None,
            detection_delay_seconds=max(self._delays_ms) / 1000 if self._delays_ms else None,
            late_touchpoints=self.by_kind["late_touchpoint"],
            duplicates=duplicates,
            refused=self.by_kind["refused"],
            dead_letters=self.dead_letters,
            forgotten_journeys=self.forgotten if forgets else None,
            redis_breaker=None if redis is None else redis.breaker_state,
            redis_openings=None if redis is None else redis.openings,
            redis_rebuilds=None if redis is None else redis.rebuilds,
        )
