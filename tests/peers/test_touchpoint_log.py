"""Every system gets the same touchpoints; the worker gets its punctuations as an import writes them."""

from __future__ import annotations

from benchmarks.peers.touchpoint_log import TouchpointLog
from journeys.schemas.codec import Codec
from journeys.schemas.instants import HOUR_MS
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import Punctuation, Touchpoint

_PARTITIONS = 4


def test_all_touchpoints_in_their_order(touchpoints: list[Touchpoint]):
    """Without punctuations the log holds each touchpoint in the partition of its journey, in order, and no more."""
    log = TouchpointLog(touchpoints, _PARTITIONS)
    codec = Codec()
    for number in range(_PARTITIONS):
        expected = [one for one in touchpoints if partition_of(one.journey_id.encode(), _PARTITIONS) == number]
        records = log.records(number, punctuated=False)
        assert expected
        assert [codec.decode(record.value) for record in records] == expected
        assert [record.key for record in records] == [one.journey_id.encode() for one in expected]


def test_punctuations_stand_where_time_has_come_to(touchpoints: list[Touchpoint]):
    """No touchpoint is behind the clock, or an hour before it; at the end the clock has reached the last one."""
    log = TouchpointLog(touchpoints, _PARTITIONS)
    codec = Codec()
    for number in range(_PARTITIONS):
        first, *rest = [codec.decode(record.value) for record in log.records(number, punctuated=True)]
        assert isinstance(first, Punctuation)
        assert first.time_source == "simulated"
        clock = first.at
        for record in rest:
            if isinstance(record, Punctuation):
                assert record.at >= clock
                clock = record.at
            else:
                assert clock <= record.occurred_at < clock + HOUR_MS
        assert clock == touchpoints[-1].occurred_at


def test_the_clock_reaches_the_last_touchpoint(touchpoints: list[Touchpoint]):
    """Also when it lies within the hour of the punctuation before."""
    first = touchpoints[0]
    second = first._replace(occurred_at=first.occurred_at + 60_000)
    records = TouchpointLog([first, second], 1).records(0, punctuated=True)
    decoded = [Codec().decode(record.value) for record in records]
    assert decoded[2:] == [first, second, Punctuation(second.occurred_at, "simulated", "benchmark")]
    assert decoded[1] == Punctuation(first.occurred_at, "simulated", "benchmark")


def test_counts_are_of_the_whole_log(touchpoints: list[Touchpoint]):
    """Touchpoints, punctuations of all partitions, bytes of touchpoints alone."""
    log = TouchpointLog(touchpoints, _PARTITIONS)
    everything = [record for number in range(_PARTITIONS) for record in log.records(number, punctuated=True)]
    assert log.touchpoints == len(touchpoints)
    assert log.punctuations == sum(record.key is None for record in everything) > _PARTITIONS
    assert sum(log.end_offsets(punctuated=True).values()) == len(everything)
    assert sum(log.end_offsets(punctuated=False).values()) == len(touchpoints)
    assert log.touchpoint_bytes == sum(map(len, Codec().encode_all(touchpoints)))
