"""Registers journeys and abandons them, without a server; they are kept in a file in the current folder."""

import asyncio
from datetime import datetime

from training_orchestrator import (
    AbandonmentReason,
    JourneyAlreadyAbandonedError,
    TrainingConfiguration,
    TrainingOrchestrator,
    create_timeout_manager,
)


async def end_a_journey() -> None:
    """Register a journey, record its touchpoints, and abandon it: the penalty is charged once."""
    async with create_timeout_manager(timeout_days=14, project_id="your-project", dataset_id="gaelp") as manager:
        # A naive datetime is local time.
        await manager.register_journey("journey-123", start_time=datetime.now(), user_id="user-456")  # noqa: DTZ005
        await manager.record_touchpoint("journey-123", state="AWARE", cost=1.25, channel="search")
        await manager.record_touchpoint("journey-123", state="INTENT", cost="0.75", conversion_value=90)
        expected = await manager.calculate_abandonment_cost("journey-123", AbandonmentReason.COMPETITOR_CONVERSION)
        penalty = await manager.mark_abandoned("journey-123", AbandonmentReason.COMPETITOR_CONVERSION)
        print(f"expected {expected.total:.2f} dollars, charged {penalty.total:.2f}")
        try:
            await manager.mark_abandoned("journey-123")
        except JourneyAlreadyAbandonedError as error:
            print(error)


async def watch_a_training_run() -> None:
    """Watch journeys while an agent trains, and sum up the penalties."""
    async with TrainingOrchestrator(TrainingConfiguration(journey_timeout_days=14)) as orchestrator:
        await orchestrator.register_training_journey("training-journey-789", user_id="training-user-123")
        for abandoned in await orchestrator.check_journey_timeouts():
            print(abandoned.journey_id, abandoned.reason, abandoned.penalty.total)
        analytics = await orchestrator.get_journey_abandonment_analytics(days=30)
        print(f"{analytics.abandonments} abandoned in 30 days: {analytics.total_penalty:.2f} dollars")


async def main() -> None:
    """Run both examples."""
    await end_a_journey()
    await watch_a_training_run()


if __name__ == "__main__":
    asyncio.run(main())
