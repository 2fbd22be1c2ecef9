"""What is timed of a worker: all that it does from when it could begin, gathered batches included."""

import asyncio
from types import SimpleNamespace

import pytest

from benchmarks import system
from benchmarks.system import JOURNEYS, Window
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.rows import PARTITION_KEY, PartitionRow
from journeys.schemas.topics import JOURNEY_EVENTS

_CODEC = Codec()
_BEGIN = 1_760_000_000


def mark(partition, applied_offset, at):
    """A partition row, handed over so many seconds after the beginning."""
    row = PartitionRow(applied_offset, None, None, "default-1", 2)
    return SimpleNamespace(
        partition=partition, key=PARTITION_KEY, value=_CODEC.encode(row), timestamp=(_BEGIN + at) * 1_000
    )


@pytest.fixture
def window(monkeypatch, tmp_path):
    """The window of ten touchpoints in each of two partitions, by partition rows and by lines of logs."""

    def of(marks, *logs):
        async def records(_settings, topic):
            touchpoints = [
                SimpleNamespace(partition=number, offset=offset, key=b"journey")
                for number in range(2)
                for offset in range(10)
            ]
            return touchpoints if topic == JOURNEY_EVENTS else marks

        monkeypatch.setattr(system, "_records", records)
        paths = [tmp_path / f"log-{number}" for number in range(len(logs))]
        for path, lines in zip(paths, logs, strict=True):
            path.write_text("\n".join(lines), "utf-8")
        return asyncio.run(JOURNEYS.window(Settings(_env_file=None), paths))

    return of


def restored(seconds):
    """A line of a worker's log, so many seconds after the beginning."""
    minute, second = divmod(seconds, 60)
    return (
        f"2025-10-09T08:{53 + minute:02}:{20 + second:02}.000000Z [info     ] restored: partitions [0, 1], 0 changelog"
    )


def test_what_is_gathered_before_the_first_flush_is_timed(window):
    """The window does not begin with the first row, which says what took a second already."""
    marks = [mark(0, 4, at=3), mark(1, 6, at=3), mark(0, 9, at=4), mark(1, 9, at=5)]
    assert window(marks, [restored(2)]) == Window(_BEGIN + 2, _BEGIN + 5, 20)


def test_what_was_stored_before_a_rebalance_is_neither_timed_nor_counted(window):
    """The worker that was there alone has flushed in front of it; the last one that restores may come later."""
    marks = [mark(0, 4, at=3), mark(1, -1, at=3), mark(0, 9, at=8), mark(1, 9, at=9)]
    assert window(marks, [restored(2), restored(6)], [restored(7)]) == Window(_BEGIN + 6, _BEGIN + 9, 15)
