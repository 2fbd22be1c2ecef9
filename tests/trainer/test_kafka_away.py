"""Kafka goes away under a connected manager and comes back: limited waits, no wrong results, no restart needed."""

import asyncio
import os

import pytest

from journeys.agents.kafka import log_reader
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import left_out
from tests.live.topic_exchange import published
from tests.live.verified import verified
from training_orchestrator import (
    AnswerOutstandingError,
    JourneyAlreadyAbandonedError,
    JourneyTimeoutManager,
    StoreUnavailableError,
)

from .contract import ago, eventually

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ANSWER_SECONDS = 2.0
PATIENCE_SECONDS = 30.0  # a wait beyond the promised one, and far below that of a client without a bound
# Longer than the producer keeps a batch: then it has failed, and the next call needs a new one.
AWAY_SECONDS = 50


async def refused(call):
    """Answer of a call while Kafka is away: one of the documented errors, within a bounded time."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(StoreUnavailableError) as found:
            await call
    return found.value


async def abandoned_once(manager, journey_id):
    """Retry until Kafka and the worker answer: the penalty, or that it was abandoned before."""

    async def ask():
        try:
            return await manager.mark_abandoned(journey_id)
        except JourneyAlreadyAbandonedError as error:
            return error
        except StoreUnavailableError:
            return None

    return await eventually(ask, lambda found: found is not None)


async def said_again(manager, journey_id):
    """Repeat a touchpoint until it is acknowledged; by its id it counts once."""

    async def ask():
        try:
            await manager.record_touchpoint(journey_id, cost=5, touchpoint_id=f"{journey_id}-1")
        except StoreUnavailableError:
            return False
        return True

    assert await eventually(ask, bool)


def test_outputs_are_heard_again_though_nothing_is_published(broker, monkeypatch):
    """Kafka is gone and back, and no journey moved: that it is quiet is no reason to call it away."""
    if broker.directory is None:
        pytest.skip(left_out("own-kafka"))
    monkeypatch.setattr(log_reader, "_STALL_SECONDS", 1.0)  # of silence, before Kafka is asked whether it is there
    settings = emptied(broker)

    async def run():
        async with JourneyTimeoutManager(bootstrap_servers=settings.bootstrap_servers) as manager:

            async def checked():
                try:
                    return await manager.check_timeouts()
                except StoreUnavailableError as error:
                    return str(error)

            assert await checked() == []
            await asyncio.to_thread(broker.kill)
            away = await eventually(checked, lambda found: found != [])
            assert not (await manager.metrics()).is_healthy
            await asyncio.to_thread(broker.restart)
            assert await eventually(checked, lambda found: found == []) == []
            assert (await manager.metrics()).is_healthy
            return away

    away = asyncio.run(run())
    assert away.startswith("the output topics can't be read for now; nothing is lost: ")


@pytest.mark.skipif(not os.environ.get("JOURNEYS_TEST_LONG"), reason=left_out("long"))
def test_every_call_has_its_answer_while_kafka_is_away_and_goes_on_by_itself(broker, workers):
    """A real broker is killed and started. Calls that failed meanwhile are repeated, and count once."""
    if broker.directory is None:
        pytest.skip(left_out("own-kafka"))
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    workers.start(settings).wait_until_logged("restored: partitions [0, 1, 2, 3]")

    async def run():
        async with JourneyTimeoutManager(
            bootstrap_servers=settings.bootstrap_servers, answer_seconds=ANSWER_SECONDS
        ) as manager:
            for name in ("before", "during"):
                await manager.register_journey(name, ago(hours=2))
            await eventually(lambda: manager.calculate_abandonment_cost("during"), lambda found: found is not None)
            await asyncio.to_thread(broker.kill)
            outstanding = await asyncio.gather(
                refused(manager.mark_abandoned("during")),
                refused(manager.register_journey("new", ago(hours=1))),
                refused(manager.record_touchpoint("before", cost=5, touchpoint_id="before-1")),
            )
            nothing_known = await asyncio.gather(
                refused(manager.calculate_abandonment_cost("before")),
                refused(manager.abandonments(ago(days=1))),
                refused(manager.extend_timeout("before", 1)),
            )
            figures = await manager.metrics()
            await asyncio.sleep(AWAY_SECONDS)
            await asyncio.to_thread(broker.restart)
            await said_again(manager, "before")
            penalties = [await abandoned_once(manager, name) for name in ("during", "before")]
            booked = await manager.abandonments(ago(days=1))
            return outstanding, nothing_known, figures, penalties, booked

    outstanding, nothing_known, figures, (_, before), booked = asyncio.run(run())
    assert all(isinstance(error, StoreUnavailableError) for error in nothing_known)
    assert any(isinstance(error, AnswerOutstandingError) for error in outstanding)
    assert figures.abandonments == 0
    assert before.touchpoint_count == 1
    assert sorted(each.journey_id for each in booked) == ["before", "during"]
    workers.wait_until_applied(settings)
    assert len({record.abandonment_id for record in published(settings)}) == 2
    verified(settings)
