"""The watchdog: a partition that is not fetched ends the worker, a broker that is away doesn't."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaTimeoutError
from faust.types import TP

from journeys.agents.worker.guards import watchdog
from journeys.agents.worker.guards.watchdog import Watchdog
from journeys.agents.worker.ports.worker_exit import WorkerExit

PARTITION = TP("journey-events", 0)


class EndedError(Exception):
    """Stands for the end of the process."""


class Consumer:
    """A consumer that stands at offset 5 of 10, and a broker that can be sent away."""

    next_position = {PARTITION: 5}  # noqa: RUF012 - nobody changes it
    is_away = False
    lost = ""

    async def lost_positions(self) -> dict[TP, str]:
        """Say what the test says."""
        return {PARTITION: self.lost} if self.lost else {}

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        """Ends of the log, as Faust's consumer gives them."""
        if self.is_away:
            raise KafkaTimeoutError("no answer")
        return dict.fromkeys(partitions, 10)


@pytest.fixture
def clock(monkeypatch):
    """Seconds on the watchdog's clock, to be moved by hand; the end of the process is an error."""
    now = [1_000.0]
    monkeypatch.setattr(watchdog, "monotonic", lambda: now[0])

    def end(code: WorkerExit, why: str) -> None:
        raise EndedError(code, why)

    monkeypatch.setattr(watchdog, "end_now", end)
    return now


def test_a_partition_with_records_that_stands_still_ends_the_process(clock):
    """After two minutes, with the code and the place."""
    dog = Watchdog(SimpleNamespace(consumer=Consumer(), rebalancing=False), SimpleNamespace(is_reached=False))
    asyncio.run(dog.check())
    clock[0] += 120
    asyncio.run(dog.check())
    clock[0] += 0.1
    with pytest.raises(EndedError, match="nothing beyond 5 was fetched") as ended:
        asyncio.run(dog.check())
    assert ended.value.args[0] == WorkerExit.STALLED


def test_a_record_that_is_gone_ends_the_process_when_it_is_seen_twice(clock):
    """Once may be a leader that has just changed."""
    consumer = Consumer()
    dog = Watchdog(SimpleNamespace(consumer=consumer, rebalancing=False), SimpleNamespace(is_reached=False))
    consumer.lost = "begins at offset 7"
    asyncio.run(dog.check())
    consumer.lost = ""
    asyncio.run(dog.check())
    consumer.lost = "begins at offset 7"
    asyncio.run(dog.check())
    with pytest.raises(EndedError, match="begins at offset 7") as ended:
        asyncio.run(dog.check())
    assert ended.value.args[0] == WorkerExit.SETUP


def test_time_without_a_broker_is_no_stall(clock):
    """Nothing is raised, and the two minutes begin when it is back."""
    consumer = Consumer()
    dog = Watchdog(SimpleNamespace(consumer=consumer, rebalancing=False), SimpleNamespace(is_reached=False))
    asyncio.run(dog.check())
    clock[0] += 119
    consumer.is_away = True
    asyncio.run(dog.check())
    clock[0] += 119
    consumer.is_away = False
    asyncio.run(dog.check())
    clock[0] += 120
    asyncio.run(dog.check())
    clock[0] += 0.1
    with pytest.raises(EndedError):
        asyncio.run(dog.check())
