"""The watchdog: a partition or a clock that stands still ends the worker, a broker that is away doesn't."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from faust.types import TP

from journeys.agents.kafka.connection import KafkaUnreachableError
from journeys.agents.worker import punctuator as punctuator_module
from journeys.agents.worker.guards import watchdog
from journeys.agents.worker.guards.watchdog import Watchdog
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.agents.worker.punctuator import Punctuator
from journeys.schemas.codec import Codec
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition

PARTITION = TP("journey-events", 0)


class EndedError(Exception):
    """Stands for the end of the process."""


class Consumer:
    """A consumer that stands at offset 5 of 10, and a broker that can be sent away."""

    def __init__(self) -> None:
        self.next_position = {PARTITION: 5}
        self.is_away = self.is_silent = False
        self.lost = ""

    async def lost_positions(self) -> dict[TP, str]:
        """Say what the test says."""
        return {PARTITION: self.lost} if self.lost else {}

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        """Ends of the log, as Faust's consumer gives them."""
        if self.is_silent:
            await asyncio.Event().wait()
        if self.is_away:
            raise KafkaTimeoutError("no answer")
        return dict.fromkeys(partitions, 10)


class Dog:
    """A watchdog, and what it watches."""

    def __init__(self) -> None:
        self.consumer = Consumer()
        self.flushing_since: dict[TP, float] = {}
        self.is_kafka_there = True
        self.time_stalled: str | None = None
        self.worker = SimpleNamespace(consumer=self.consumer, rebalancing=False)
        self.memory = SimpleNamespace(is_reached=False)
        self.watchdog = Watchdog(
            self.worker,
            self.memory,
            SimpleNamespace(stalled=lambda _: self.time_stalled),
            self.flushing_since,
            self._require_kafka,
        )

    async def _require_kafka(self) -> None:
        if not self.is_kafka_there:
            raise KafkaUnreachableError("nobody there")

    def check(self) -> None:
        """Let it check once."""
        asyncio.run(self.watchdog.check())


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Seconds on the monotonic clock, to be moved by hand; the end of the process is an error."""
    now = [1_000.0]

    def end(code: WorkerExit, why: str) -> None:
        raise EndedError(code, why)

    for module in (watchdog, punctuator_module):
        monkeypatch.setattr(module, "monotonic", lambda: now[0])
        monkeypatch.setattr(module, "end_now", end)
    return now


def test_a_partition_with_records_that_stands_still_ends_the_process(clock):
    """After two minutes, with the code and the place."""
    dog = Dog()
    dog.check()
    clock[0] += 120
    dog.check()
    clock[0] += 0.1
    with pytest.raises(EndedError, match="nothing beyond 5 was fetched") as ended:
        dog.check()
    assert ended.value.args[0] == WorkerExit.STALLED


def test_a_record_that_is_gone_ends_the_process_when_it_is_seen_twice(clock):
    """Once may be a leader that has just changed."""
    dog = Dog()
    for lost in ("begins at offset 7", "", "begins at offset 7"):
        dog.consumer.lost = lost
        dog.check()
    with pytest.raises(EndedError, match="begins at offset 7") as ended:
        dog.check()
    assert ended.value.args[0] == WorkerExit.SETUP


def test_time_without_a_broker_is_no_stall(clock):
    """Nothing is raised, and the two minutes begin when it is back."""
    dog = Dog()
    dog.check()
    clock[0] += 119
    dog.consumer.is_away = True
    dog.check()
    clock[0] += 119
    dog.consumer.is_away = False
    dog.check()
    clock[0] += 120
    dog.check()
    clock[0] += 0.1
    with pytest.raises(EndedError):
        dog.check()


def test_a_flush_that_is_not_acknowledged_ends_the_process(clock):
    """It says that the fetching is not to blame."""
    dog = Dog()
    dog.flushing_since[PARTITION] = clock[0]
    dog.check()
    clock[0] += 121
    with pytest.raises(EndedError, match=r"waits for its acknowledgement for 121 s.*min.insync.replicas") as ended:
        dog.check()
    assert ended.value.args[0] == WorkerExit.STALLED


def test_a_rebalance_is_no_stall(clock, monkeypatch):
    """The two minutes begin when it is over, however often there is one."""
    dog = Dog()

    async def moved_on(_: float) -> None:
        clock[0] += 100
        dog.worker.rebalancing = not dog.worker.rebalancing
        if clock[0] > 2_000:
            raise EndedError

    monkeypatch.setattr(asyncio, "sleep", moved_on)
    dog.check()
    with pytest.raises(EndedError) as ended:
        asyncio.run(dog.watchdog.watch())
    assert ended.value.args == ()


def test_a_consumer_whose_thread_does_not_answer_ends_the_process(clock, monkeypatch):
    """If Kafka does: without it, there is nothing to answer."""
    monkeypatch.setattr(watchdog, "_ANSWER_SECONDS", 0.01)
    dog = Dog()
    dog.consumer.is_silent = True
    dog.check()
    dog.is_kafka_there = False
    clock[0] += 200
    dog.check()
    dog.is_kafka_there = True
    dog.check()
    clock[0] += 121
    with pytest.raises(EndedError, match="its consumer has answered nothing for 121 s though Kafka answers"):
        dog.check()


def test_a_clock_that_is_not_written_ends_the_process(clock):
    """With the reason of whoever should write it; Faust's timers begin only behind the first restore."""
    dog = Dog()
    dog.time_stalled = "no time was written for 121 s"
    dog.consumer.next_position = {}
    clock[0] += 500
    dog.check()
    dog.consumer.next_position = {PARTITION: 10}
    clock[0] += 120
    dog.check()
    clock[0] += 1
    with pytest.raises(EndedError, match="no time was written") as ended:
        dog.check()
    assert ended.value.args[0] == WorkerExit.STALLED


async def punctuated(clock: list[float], acknowledged: bool) -> tuple[Punctuator, "asyncio.Future[Any]"]:
    """A punctuator that has written once."""
    partition = Partition(0, 1)
    partition.clock, partition.time_source = 0, "live"
    sent: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def append(number: int, value: bytes) -> "asyncio.Future[Any]":
        del number, value
        return sent

    worker = SimpleNamespace(
        rebalancing=False, input_partitions=lambda: [0], store=SimpleNamespace(processors={0: Processor(partition)})
    )
    punctuator = Punctuator(worker, Codec(), append, "worker-1", SimpleNamespace(check=lambda *_: None))
    await punctuator.punctuate()
    if acknowledged:
        sent.set_result(None)
        await asyncio.sleep(0)
    clock[0] += 100
    await punctuator.punctuate()
    return punctuator, sent


@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_punctuation_that_is_not_acknowledged_is_seen(clock, acknowledged):
    """And one that was is none to be waited for; the later of two unanswered ones does not count."""

    async def stalled() -> str | None:
        punctuator, _ = await punctuated(clock, acknowledged)
        clock[0] += 30
        await punctuator.punctuate()
        return punctuator.stalled(120)

    said = asyncio.run(stalled())
    assert said == (
        None if acknowledged else "a punctuation of partition 0 was not acknowledged for 130 s though Kafka answers"
    )


def test_a_timer_that_does_not_come_round_is_seen(clock):
    """Whatever the reason: it waits, or Faust has lost it."""

    async def stalled() -> list[str | None]:
        punctuator, _ = await punctuated(clock, acknowledged=True)
        clock[0] += 20
        early = punctuator.stalled(120)
        clock[0] += 101
        return [early, punctuator.stalled(120)]

    assert asyncio.run(stalled()) == [
        None,
        "no time was written for 121 s: its timer is dead, or waits for an answer",
    ]
