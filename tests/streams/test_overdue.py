"""The hazard of a long outage: journeys abandoned by the time of day, while their touchpoints wait in the backlog."""

from __future__ import annotations

from collections.abc import Iterable

from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, HOUR_MS, SECOND_MS
from journeys.schemas.records import InputRecord, JourneyAbandoned, JourneyRegistered, Punctuation, Touchpoint
from journeys.streams.partition.changelog import Restore, stored_partition, stored_rows
from journeys.streams.partition.driver import replay_partition
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition

BEGIN = 1_760_000_000_000
OUTAGE_DAYS = 20
BACK = BEGIN + OUTAGE_DAYS * DAY_MS


def _touchpoint(journey_id: str, at: int) -> Touchpoint:
    return Touchpoint(journey_id, "user", f"{journey_id}-{at}", at, cost_micros=1_000_000)


def _before_the_outage() -> list[InputRecord]:
    """Three journeys are open when the worker stops."""
    return [
        Punctuation(BEGIN, "live"),
        # Without this the journey would time out within the 20 days, touchpoints or not.
        JourneyRegistered("busy", "user", BEGIN, timeout_ms=60 * DAY_MS),
        _touchpoint("busy", BEGIN),
        _touchpoint("silent", BEGIN + 1),
        _touchpoint("silent too", BEGIN),
        Punctuation(BEGIN + 60 * SECOND_MS, "live"),
    ]


def _backlog() -> list[InputRecord]:
    """Touchpoints of 20 days, every 12 hours, that nobody has read; a worker that is down writes no punctuation."""
    busy = [_touchpoint("busy", BEGIN + hours * HOUR_MS) for hours in range(12, OUTAGE_DAYS * 24, 12)]
    new = [_touchpoint("begun meanwhile", BACK - days * DAY_MS) for days in (4, 2)]
    return sorted([*busy, *new], key=lambda touchpoint: touchpoint.occurred_at)


def _back() -> list[InputRecord]:
    """What the timer of the worker that comes back writes: behind the backlog, whatever its worker has read."""
    return [Punctuation(BACK, "live"), Punctuation(BACK + 1000, "live")]


def _entries(records: Iterable[InputRecord], begin: int = 0) -> list[Entry]:
    return [
        Entry(offset, None, record.at, record)
        if isinstance(record, Punctuation)
        else Entry(offset, record.journey_id.encode(), None, record)  # type: ignore[union-attr]
        for offset, record in enumerate(records, start=begin)
    ]


def _abandonments(entries: Iterable[Entry], partition: Partition) -> list[JourneyAbandoned]:
    return [record for effects in replay_partition(entries, partition) for record in effects.abandonments]


def test_20_days_down_abandon_no_journey_whose_touchpoints_are_in_the_backlog() -> None:
    """The punctuation stands behind the backlog: the two silent journeys end, at their deadlines, and nobody else."""
    records = [*_before_the_outage(), *_backlog(), *_back()]
    partition = Partition()
    abandonments = _abandonments(_entries(records), partition)
    assert [(record.journey_id, record.abandonment_reason, record.abandoned_at) for record in abandonments] == [
        ("silent too", "INACTIVITY", BEGIN + 72 * HOUR_MS),
        ("silent", "INACTIVITY", BEGIN + 1 + 72 * HOUR_MS),
    ]
    assert {record.detected_at for record in abandonments} == {BACK}
    assert {journey_id for journey_id, row in partition.rows.items() if row.open} == {"busy", "begun meanwhile"}
    assert partition.rows["busy"].touchpoint_count == 1 + len(_backlog()) - 2


def test_20_days_down_and_restored_from_the_table() -> None:
    """The same with a new process, which has the rows from the changelog and reads the backlog first."""
    codec = Codec()
    stopped = Partition()
    effects = Processor(stopped).process(_entries(_before_the_outage()))
    assert effects.abandonments == []
    restore = Restore()
    for key, value, offset in [*stored_rows(effects, codec), stored_partition(stopped, codec)]:
        restore.add(key, value, offset)
    partition = Partition()
    restore.onto(partition, codec)
    rest = _entries([*_backlog(), *_back()], begin=stopped.applied_offset + 1)
    assert [record.journey_id for record in _abandonments(rest, partition)] == ["silent too", "silent"]


def test_overdue_deadlines_fire_once_however_many_punctuations_come() -> None:
    """Punctuations of each hour of 20 days, all of them late: each silent journey ends once."""
    overdue: list[InputRecord] = [Punctuation(at, "live") for at in range(BEGIN, BACK, HOUR_MS)]
    records = [*_before_the_outage(), *_backlog(), *_back(), *overdue]
    assert len(_abandonments(_entries(records), Partition())) == 2


def test_the_hazard_is_one() -> None:
    """Time from in front of the backlog, as a timer that fires by itself has it, does abandon the busy journey."""
    records = [*_before_the_outage(), Punctuation(BACK, "live"), *_backlog()]
    abandoned = [record.journey_id for record in _abandonments(_entries(records), Partition())]
    assert "busy" in abandoned
