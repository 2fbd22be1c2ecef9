"""Short histories of defects that the properties and the crash simulation found, each named after what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.records import InputRecord, JourneyAbandoned, PolicyChanged, Punctuation, Touchpoint
from journeys.streams.partition.changelog import stored_partition, stored_rows
from journeys.streams.partition.driver import replay_partition
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.restore import Restore
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from journeys.streams.stored.stored_row import StoredRow

BEGIN = 1_760_000_000_000
_CODEC = Codec()
_ENGAGED = Policy.model_validate(
    {
        "version": "engaged",
        "deadlines": {"timeout_days": "2", "inactivity_hours": "480", "max_journey_duration_days": "10"},
        "cleanup": {"stale_data_days": "1"},
        "extension": {"touchpoints": 1, "extend_by_days": "60"},
    }
)


def _touchpoint(touchpoint_id: str, at: int, state: str | None = None) -> Touchpoint:
    return Touchpoint("journey-1", "user", touchpoint_id, at, state=state)


def _entries(records: Sequence[InputRecord]) -> list[Entry]:
    return [
        Entry(offset, None if isinstance(record, Punctuation | PolicyChanged) else b"journey-1", None, record)
        for offset, record in enumerate(records)
    ]


def _abandonments(entries: Sequence[Entry]) -> list[JourneyAbandoned]:
    found = [record for effects in replay_partition(entries, Partition()) for record in effects.abandonments]
    return [record._replace(detected_at=0) for record in found]


def _change() -> PolicyChanged:
    return PolicyChanged(_ENGAGED.version, _ENGAGED.to_json(), BEGIN)


def test_a_frozen_worker_writes_the_open_row_of_a_journey_that_was_deleted_since() -> None:
    """Who finds the row between its own writes the tombstone again; taken back, the journey would end twice."""
    entries = _entries(
        [
            Punctuation(BEGIN, "simulated"),
            _touchpoint("1", BEGIN),
            Punctuation(BEGIN + 4 * DAY_MS, "simulated"),
            Punctuation(BEGIN + 40 * DAY_MS, "simulated"),
        ]
    )
    stale = stored_rows(Processor(Partition()).process(entries[:2]), _CODEC)
    partition = Partition()
    processor = Processor(partition)
    assert len(processor.process(entries).abandonments) == 1
    assert partition.rows == {}
    restore = Restore()
    for key, value, offset in stale:
        restore.add(key, value, offset)
    assert restore.onto(partition, _CODEC) == [StoredRow(b"jjourney-1", None, partition.applied_offset)]
    assert partition.rows == {}
    again = processor.process([Entry(4, None, None, Punctuation(BEGIN + 41 * DAY_MS, "simulated"))])
    assert again.abandonments == []


def test_an_extension_by_a_punctuation_is_no_record_of_the_journey() -> None:
    """The abandonment names the journey's own last record, whether one punctuation extended and ended it or two did."""
    begin = [_change(), Punctuation(BEGIN, "simulated"), _touchpoint("1", BEGIN + 1, "INTENT")]
    ends = Punctuation(BEGIN + 100 * DAY_MS, "simulated")
    extends = Punctuation(BEGIN + 3 * DAY_MS, "simulated")
    once, twice = _abandonments(_entries([*begin, ends])), _abandonments(_entries([*begin, extends, ends]))
    assert [record.source_offset for record in once] == [2]
    assert once == twice


def test_a_duplicate_at_the_end_of_an_extension_moves_nothing() -> None:
    """A deadline that no punctuation has extended yet is not the end that a duplicate lies behind."""
    end = BEGIN + 10 * DAY_MS
    log = [
        _change(),
        Punctuation(BEGIN - HOUR_MS, "simulated"),
        _touchpoint("1", BEGIN, "INTENT"),
        Punctuation(BEGIN + 3 * DAY_MS, "simulated"),
        _touchpoint("1", end, "INTENT"),
        _touchpoint("2", end - 1, "INTENT"),
        Punctuation(BEGIN + 100 * DAY_MS, "simulated"),
    ]
    often = _entries(log)
    seldom = [entry for entry in often if entry.offset != 3]
    assert [(record.touchpoint_count, record.source_offset) for record in _abandonments(often)] == [(2, 5)]
    assert _abandonments(seldom) == _abandonments(often)


def test_a_longer_cleanup_does_not_let_a_forgotten_episode_begin_again() -> None:
    """Forgotten under a policy with a short cleanup, its old touchpoint opened it once more, under the same id."""
    entries = _entries(
        [
            _change(),
            Punctuation(BEGIN, "simulated"),
            _touchpoint("1", BEGIN),
            Punctuation(BEGIN + 5 * DAY_MS, "simulated"),
            PolicyChanged(DEFAULT_POLICY.version, DEFAULT_POLICY.to_json(), BEGIN),
            _touchpoint("1", BEGIN),
            Punctuation(BEGIN + 20 * DAY_MS, "simulated"),
        ]
    )
    assert [record.started_at for record in _abandonments(entries)] == [BEGIN]


def test_a_crash_in_front_of_the_partition_row_and_nobody_for_days() -> None:
    """Kafka drops tombstones after a day: one ahead of the partition row left a journey unknown to what came again."""
    entries = _entries(
        [
            Punctuation(BEGIN, "simulated"),
            _touchpoint("1", BEGIN),
            Punctuation(BEGIN + 4 * DAY_MS, "simulated"),
            _touchpoint("2", BEGIN + 1),
            Punctuation(BEGIN + 40 * DAY_MS, "simulated"),
            Punctuation(BEGIN + 41 * DAY_MS, "simulated"),
        ]
    )
    crashed = Partition()
    processor = Processor(crashed)
    begin = processor.process(entries[:2])
    stored = [*stored_rows(begin, _CODEC), stored_partition(crashed, _CODEC)]
    published = processor.process(entries[2:])
    assert crashed.rows == {}
    stored += stored_rows(published, _CODEC)
    restore = Restore()
    for row in {row.key: row for row in stored}.values():
        if row.value is not None:
            restore.add(*row)
    partition = Partition()
    restore.onto(partition, _CODEC)
    again = Processor(partition).process(entries[2:])
    assert [record.kind for record in published.lifecycle] == ["late_touchpoint"]
    assert set(again.lifecycle) | set(published.lifecycle) == set(published.lifecycle)
    assert set(again.abandonments) | set(published.abandonments) == set(published.abandonments)
