"""Makes a topic live that history was imported into: a record in each partition, from which on live time counts."""

from __future__ import annotations

from typing import NamedTuple

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.topic_time import TopicTime, topic_time
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.instants import format_instant
from journeys.schemas.records import TimeSourceChanged
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.rule.clock import CLOCK_GUARD_MS


class TopicNotLiveError(OperationError):
    """The topic can't become live as it is."""


class FoundPartition(NamedTuple):
    """A partition of the input topic, before the topic becomes live."""

    number: int
    time_source: str | None
    """None where no punctuation has named one."""
    clock: int | None
    """Epoch milliseconds; None where it keeps live time or has no punctuation."""


async def find_partitions(settings: Settings) -> list[FoundPartition]:
    """Time of each partition, as its log says. Raises UnknownTopicError, KafkaUnreachableError."""
    codec = Codec()
    time = await topic_time(settings, codec)
    async with open_log(settings, JOURNEY_EVENTS, catalog=codec.catalog) as log:
        count = log.partition_count
    return [FoundPartition(number, time.source_of(number), _clock(time, number)) for number in range(count)]


async def make_live(settings: Settings, found: list[FoundPartition], record: TimeSourceChanged) -> int:
    """Append `record` to each partition that is not live yet, in their order; gives how many those are.

    Said again after a failure, it goes on with those that are left. Raises TopicNotLiveError where a clock is ahead of
    now by this computer's or the broker's time, or no history is there; RecordsNotSentError, MissingRightsError,
    UnknownTopicError, KafkaUnreachableError.
    """
    _require_history(found)
    _require_past(found, now_ms(), "now")
    left = [one for one in found if one.time_source != "live"]
    async with RecordProducer(settings) as producer:
        for one in left:
            await producer.send_to_partition(record, one.number)
            await producer.flush()
            if producer.append_time is not None:
                _require_past([one], producer.append_time, "the broker's time")
    return len(left)


def _clock(time: TopicTime, partition: int) -> int | None:
    end = time.ends.get(partition)
    return None if end is None or time.source_of(partition) == "live" else end.clock


def _require_history(found: list[FoundPartition]) -> None:
    if all(one.time_source is None for one in found):
        raise TopicNotLiveError(
            f"{JOURNEY_EVENTS} holds no punctuation, so it keeps no time yet: the first worker makes it live by itself"
        )


def _require_past(found: list[FoundPartition], now: int, name: str) -> None:
    """Raise TopicNotLiveError for a clock that live time would have to wait for."""
    for one in found:
        if one.clock is not None and one.clock > now + CLOCK_GUARD_MS:
            raise TopicNotLiveError(
                f"the clock of {JOURNEY_EVENTS}[{one.number}] is at {format_instant(one.clock)}, ahead of {name} "
                f"({format_instant(now)}): live time would stand still until then. Wait, or set the clock with "
                "`journeys correct-clock --at INSTANT` first"
            )
