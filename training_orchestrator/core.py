"""TrainingOrchestrator: registers and watches the journeys of a training run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from training_orchestrator.api.abandonment import AbandonedJourney, AbandonmentPenalty, AbandonmentReason
from training_orchestrator.api.analytics import AbandonmentAnalytics
from training_orchestrator.api.configuration import ConfigurationError, TrainingConfiguration, is_number
from training_orchestrator.journey_timeout import JourneyTimeoutManager

if TYPE_CHECKING:
    from decimal import Decimal
    from types import TracebackType
    from typing import Unpack

    from training_orchestrator.api.figures import Figures
    from training_orchestrator.api.manager_options import ManagerOptions
    from training_orchestrator.api.touchpoint import TouchpointFields

__all__ = ["TrainingConfiguration", "TrainingOrchestrator"]


class TrainingOrchestrator:
    """Registers a run's journeys and watches their deadlines. An async context manager.

    `timeouts` is its JourneyTimeoutManager, which has further calls.
    """

    def __init__(self, configuration: TrainingConfiguration | None = None, **more: Unpack[ManagerOptions]) -> None:
        """`more` are the keyword arguments of JourneyTimeoutManager (`store_path`, `bootstrap_servers`, ...)."""
        if not isinstance(configuration, TrainingConfiguration | None):
            raise ConfigurationError(f"configuration: {configuration!r} is not a TrainingConfiguration")
        self.configuration = configuration or TrainingConfiguration()
        given = None if configuration is None else configuration.timeouts()
        self.timeouts = JourneyTimeoutManager(given, **more)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start_journey_monitoring()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    async def start_journey_monitoring(self) -> None:
        """Start watching deadlines; raises as JourneyTimeoutManager.start."""
        await self.timeouts.start()

    async def stop(self) -> None:
        """Stop watching; acknowledged records stay."""
        await self.timeouts.stop()

    async def register_training_journey(
        self,
        journey_id: str,
        user_id: str | None = None,
        start_time: datetime | None = None,
        *,
        timeout_days: float | None = None,
        inactivity_hours: float | None = None,
        budget: Decimal | float | None = None,
    ) -> None:
        """Open a journey; raises as JourneyTimeoutManager.register_journey."""
        await self.timeouts.register_journey(
            journey_id,
            start_time,
            user_id,
            timeout_days=timeout_days,
            inactivity_hours=inactivity_hours,
            budget=budget,
        )

    async def extend_timeout(self, journey_id: str, days: float) -> datetime:
        """Move an open journey's timeout; see JourneyTimeoutManager.extend_timeout."""
        return await self.timeouts.extend_timeout(journey_id, days)

    async def calculate_abandonment_cost(
        self, journey_id: str, reason: AbandonmentReason | str = AbandonmentReason.TIMEOUT
    ) -> AbandonmentPenalty:
        """Penalty if it were abandoned now; see JourneyTimeoutManager.calculate_abandonment_cost."""
        return await self.timeouts.calculate_abandonment_cost(journey_id, reason)

    async def record_signal(self, journey_id: str, signal: str, *, at: datetime | None = None) -> None:
        """Tell what happened elsewhere; see JourneyTimeoutManager.record_signal."""
        await self.timeouts.record_signal(journey_id, signal, at=at)

    async def record_touchpoint(self, journey_id: str, **fields: Unpack[TouchpointFields]) -> None:
        """Record a touchpoint; raises as JourneyTimeoutManager.record_touchpoint."""
        await self.timeouts.record_touchpoint(journey_id, **fields)

    async def check_journey_timeouts(self) -> list[AbandonedJourney]:
        """Abandonments by deadline, each given once; see JourneyTimeoutManager.check_timeouts."""
        return await self.timeouts.check_timeouts()

    async def mark_abandoned(
        self,
        journey_id: str,
        reason: AbandonmentReason | str = AbandonmentReason.MANUAL_TERMINATION,
        *,
        at: datetime | None = None,
        note: str | None = None,
        requested_by: str | None = None,
    ) -> AbandonmentPenalty:
        """End an open journey; raises as JourneyTimeoutManager.mark_abandoned."""
        return await self.timeouts.mark_abandoned(journey_id, reason, at=at, note=note, requested_by=requested_by)

    async def get_journey_abandonment_analytics(self, days: float = 30) -> AbandonmentAnalytics:
        """Sum up the abandonments detected in the last `days`. Raises ConfigurationError, StoreUnavailableError."""
        if not is_number(days) or not 0 < days <= 36_500:
            raise ConfigurationError(f"days: {days!r} is not a number above zero, at most 36500")
        since = self.timeouts.present() - timedelta(days=days)
        since = max(since, datetime(1990, 1, 1, tzinfo=UTC))
        return AbandonmentAnalytics.of(await self.timeouts.abandonments(since), since, days)

    async def cleanup_stale_data(self) -> int | None:
        """Delete ended journeys older than the cleanup period; see JourneyTimeoutManager.cleanup_stale_data."""
        return await self.timeouts.cleanup_stale_data()

    async def metrics(self) -> Figures:
        """Present figures of journeys and store."""
        return await self.timeouts.metrics()
