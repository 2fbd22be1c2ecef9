"""The punctuator: when it writes the time, and that no wrong clock keeps it from doing so."""

import asyncio
from types import SimpleNamespace

import pytest

from journeys.agents.worker.guards import clock_check
from journeys.agents.worker.guards.clock_check import Reading
from journeys.agents.worker.punctuator import Punctuator
from journeys.schemas.codec import Codec
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.clock import RULE_VERSION

CODEC = Codec()
AT = 1_760_000_000_000
DAY = 86_400_000


class Checked:
    """Notes which punctuations were compared with their append times."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def check(self, number, reading, acknowledged):
        """Note a reading."""
        assert (number, acknowledged) == (0, "acknowledged")
        self.readings.append(reading)


class Worker:
    """A worker of one partition with a journey, whose log is read at once; its clocks are moved by hand."""

    def __init__(self, monkeypatch, *, reads=True):
        self.at, self.since = AT, 0.0
        self.rebalancing = False
        self.partitions = [0]
        self.written: list[Punctuation] = []
        self.checked = Checked()
        self.processor = Processor(Partition())
        self.processor.process([Entry(0, b"j", None, Touchpoint("j", None, "t", AT))])
        self.store = SimpleNamespace(processors={0: self.processor})
        self._reads = reads
        monkeypatch.setattr(clock_check, "now_ms", lambda: self.at)
        monkeypatch.setattr(clock_check, "monotonic", lambda: self.since)
        self.punctuator = Punctuator(self, CODEC, self.append, "worker", self.checked)

    def input_partitions(self):
        """Give the partitions of the assignment."""
        return self.partitions

    async def append(self, number, value):
        """Append a value with the right append time, and read it."""
        assert number == 0
        record = CODEC.decode_input(value)
        self.written.append(record)
        if self._reads:
            offset = self.processor.partition.applied_offset + 1
            self.processor.process([Entry(offset, None, max(AT, record.at), record)])
        sent = asyncio.get_running_loop().create_future()
        sent.set_result("acknowledged")
        return sent

    def look(self, seconds=1.0, jump_ms=0):
        """Let seconds pass, and this machine's clock jump beside; the punctuator looks. Gives how many it wrote."""
        self.at += int(seconds * 1000) + jump_ms
        self.since += seconds
        before = len(self.written)

        async def punctuate():
            await self.punctuator.punctuate()
            await asyncio.sleep(0)  # callbacks

        asyncio.run(punctuate())
        return len(self.written) - before


@pytest.fixture
def worker(monkeypatch):
    """Give a worker whose clock is right."""
    return Worker(monkeypatch)


def test_the_time_is_written_at_once_and_then_each_minute(worker):
    """As long as no deadline comes; each is compared with its append time."""
    assert worker.look(0) == 1
    assert [worker.look(59), worker.look(1), worker.look(59), worker.look(1)] == [0, 1, 0, 1]
    assert worker.written[0] == Punctuation(AT, "live", "worker", RULE_VERSION)
    assert [reading.at for reading in worker.checked.readings] == [record.at for record in worker.written]


def test_a_deadline_is_punctuated_when_it_is_due(worker):
    """With its grace, not a minute later."""
    worker.look(0)
    until_due = 3 * 86_400 + 60
    worker.look(until_due - 30)
    assert [worker.look(29), worker.look(1)] == [0, 1]
    assert worker.processor.partition.open_count() == 0


@pytest.mark.parametrize("jump_ms", [-DAY, -3_600_000, 4 * DAY])
def test_a_clock_that_jumps_is_written_within_a_minute(worker, jump_ms):
    """A clock that stands behind the partition's says that nothing is due for a day: it is found out all the same."""
    worker.look(0)
    wrote = worker.look(1, jump_ms)
    assert wrote + worker.look(59) >= 1
    assert worker.checked.readings[-1].at >= AT + jump_ms
    assert worker.checked.readings[-1].at <= AT + jump_ms + 60_000


def test_a_worker_behind_the_clock_of_its_partition_writes_at_once(monkeypatch):
    """Another worker's punctuations are ahead of it: the first look tells the broker, and so itself."""
    worker = Worker(monkeypatch)
    worker.processor.process([Entry(1, None, AT + DAY, Punctuation(AT + DAY, "live"))])
    assert worker.look(0) == 1


def test_a_partition_that_comes_back_is_punctuated_at_once(worker):
    """It was somebody else's in between."""
    worker.look(0)
    worker.partitions = []
    assert worker.look(1) == 0
    worker.partitions = [0]
    assert worker.look(1) == 1


def test_a_backlog_gets_one_punctuation_a_minute(monkeypatch):
    """What was written is not read yet."""
    worker = Worker(monkeypatch, reads=False)
    assert sum(worker.look(1) for _ in range(119)) == 2
