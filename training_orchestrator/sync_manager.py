"""SyncJourneyTimeoutManager: the manager for blocking programs, environments, threads and notebooks.

with SyncJourneyTimeoutManager(store_path="run.sqlite3") as manager:
manager.register_journey("journey-123")
manager.record_touchpoint("journey-123", cost=1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from training_orchestrator.api.abandonment import AbandonmentReason
from training_orchestrator.api.answers import NotStartedError
from training_orchestrator.journey_timeout import JourneyTimeoutManager
from training_orchestrator.runtime.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from datetime import datetime
    from decimal import Decimal
    from types import TracebackType
    from typing import Any, Unpack

    from journeys.streams.rule.policy import Policy
    from training_orchestrator.api.abandonment import AbandonedJourney, AbandonmentPenalty
    from training_orchestrator.api.configuration import TimeoutConfiguration
    from training_orchestrator.api.figures import Figures
    from training_orchestrator.api.manager_options import ManagerOptions
    from training_orchestrator.api.touchpoint import TouchpointFields, TrainerTouchpoint

Result = TypeVar("Result")


class SyncJourneyTimeoutManager:
    """JourneyTimeoutManager with blocking calls, each documented there. Any thread may call; a context manager.

    Its event loop runs on a thread of its own, so it works where a loop runs already, as in a notebook. A forked child
    has no such thread: there, `start()` begins anew, and other calls raise NotStartedError.
    """

    def __init__(self, configuration: TimeoutConfiguration | None = None, **more: Unpack[ManagerOptions]) -> None:
        self._manager = JourneyTimeoutManager(configuration, **more)
        self._loop: LoopThread | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Open the store and start watching deadlines. A second start does nothing."""
        if self._loop is not None and self._loop.is_of_this_process:
            return
        loop = LoopThread()
        try:
            loop.run(self._manager.start())
        except BaseException:
            loop.close()
            raise
        self._loop = loop

    def stop(self) -> None:
        """Stop watching and close the store. A second stop does nothing."""
        loop, self._loop = self._loop, None
        if loop is not None and loop.is_of_this_process:
            try:
                loop.run(self._manager.stop())
            finally:
                loop.close()

    def register_journey(
        self,
        journey_id: str,
        start_time: datetime | None = None,
        user_id: str | None = None,
        *,
        timeout_days: float | None = None,
        inactivity_hours: float | None = None,
        budget: Decimal | float | None = None,
    ) -> None:
        """Open a journey, or change an open one's timeout, inactivity and budget."""
        self._run(
            self._manager.register_journey(
                journey_id,
                start_time,
                user_id,
                timeout_days=timeout_days,
                inactivity_hours=inactivity_hours,
                budget=budget,
            )
        )

    def record_touchpoint(self, journey_id: str, **fields: Unpack[TouchpointFields]) -> None:
        """Record a touchpoint."""
        self._run(self._manager.record_touchpoint(journey_id, **fields))

    def record_touchpoints(self, touchpoints: Sequence[TrainerTouchpoint]) -> None:
        """Record many touchpoints, all or none."""
        self._run(self._manager.record_touchpoints(touchpoints))

    def record_signal(self, journey_id: str, signal: str, *, at: datetime | None = None) -> None:
        """Tell what happened elsewhere."""
        self._run(self._manager.record_signal(journey_id, signal, at=at))

    def check_timeouts(self) -> list[AbandonedJourney]:
        """Abandonments by deadline since `start()`, each given once."""
        return self._run(self._manager.check_timeouts())

    def mark_abandoned(
        self,
        journey_id: str,
        reason: AbandonmentReason | str = AbandonmentReason.MANUAL_TERMINATION,
        *,
        at: datetime | None = None,
        note: str | None = None,
        requested_by: str | None = None,
    ) -> AbandonmentPenalty:
        """Abandon an open journey and give its penalty."""
        return self._run(self._manager.mark_abandoned(journey_id, reason, at=at, note=note, requested_by=requested_by))

    def extend_timeout(
        self,
        journey_id: str,
        days: float,
        *,
        at: datetime | None = None,
        note: str | None = None,
        requested_by: str | None = None,
    ) -> datetime:
        """Move an open journey's timeout and give the new one, in UTC."""
        return self._run(self._manager.extend_timeout(journey_id, days, at=at, note=note, requested_by=requested_by))

    def calculate_abandonment_cost(
        self, journey_id: str, reason: AbandonmentReason | str = AbandonmentReason.TIMEOUT
    ) -> AbandonmentPenalty:
        """Penalty of the open journey if it were abandoned now; changes nothing."""
        return self._run(self._manager.calculate_abandonment_cost(journey_id, reason))

    def cleanup_stale_data(self) -> int | None:
        """Delete ended journeys older than the policy's cleanup period, and give their number."""
        return self._run(self._manager.cleanup_stale_data())

    def abandonments(self, since: datetime) -> list[AbandonedJourney]:
        """Abandonments detected at `since` or later, those of earlier runs included."""
        return self._run(self._manager.abandonments(since))

    def policy(self) -> Policy:
        """The policy in force."""
        return self._run(self._manager.policy())

    def metrics(self) -> Figures:
        """Present figures of journeys and store."""
        return self._run(self._manager.metrics())

    def present(self) -> datetime:
        """Now, in UTC, by this manager's clock."""
        return self._manager.present()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            work.close()
            raise NotStartedError("call start() first, or use `with manager:`")
        return self._loop.run(work)
