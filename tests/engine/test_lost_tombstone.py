"""A crash behind the partition row loses tombstones; what a wrong clock had forgotten stays forgotten all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from journeys.schemas.instants import DAY_MS
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import ClockCorrected, InputRecord, Punctuation, Touchpoint
from journeys.streams.partition.changelog import output_messages, stored_partition, stored_rows
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.protocols import JourneyProcessor
from journeys.streams.partition.restore import Restore
from tests.engine.comparison import CODEC, compiled, needs_engine, reference
from tests.fixtures.wire_record import on_the_wire

BEGIN = 1_760_000_000_000
assert partition_of(b"journey", 1) == 0


@pytest.mark.parametrize("processor_of", [reference, pytest.param(compiled, marks=needs_engine)])
def test_a_row_whose_tombstone_was_lost_in_a_crash_stays_forgotten(
    processor_of: Callable[[int, int], JourneyProcessor],
) -> None:
    """The clock that had forgotten it was corrected in the same flush: nothing else says it to who restores the row."""
    records: list[InputRecord] = [
        Punctuation(BEGIN, "simulated"),
        Touchpoint("journey", None, "1", BEGIN),
        Punctuation(BEGIN + 5 * DAY_MS, "simulated"),
        Punctuation(BEGIN + 400 * DAY_MS, "simulated"),
        ClockCorrected(BEGIN + 6 * DAY_MS, "somebody", "a wrong clock"),
    ]
    back = Touchpoint("journey", None, "2", BEGIN + 7 * DAY_MS)
    log = [
        on_the_wire(Entry(offset, b"journey" if isinstance(record, Touchpoint) else None, None, record), CODEC)
        for offset, record in enumerate([*records, back])
    ]
    first = processor_of(0, 1)
    changelog = [*stored_rows(first.process_log(log[:3], CODEC), CODEC), stored_partition(first.partition, CODEC)]
    effects = first.process_log(log[3:5], CODEC)
    assert list(effects.deleted) == ["journey"]
    changelog += [*stored_rows(effects, CODEC), stored_partition(first.partition, CODEC)]  # and no tombstone

    second = processor_of(0, 1)
    restore = Restore(changelog)
    assert restore.onto(second.partition, CODEC) == []
    assert second.partition.row() == first.partition.row()
    found = [output_messages(processor.process_log(log[5:], CODEC), CODEC) for processor in (first, second)]
    assert found[1] == found[0]
    assert [CODEC.decode(message.value).kind for message in found[1]] == ["started"]
