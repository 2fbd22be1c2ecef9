"""How far ahead of now a record may lie that is appended to a live topic: its worker would make a dead letter of it."""

from __future__ import annotations

from typing import NamedTuple

from journeys.agents.inspect.policies_in_force import policies_in_force
from journeys.agents.kafka.topic_setup import UnknownTopicError
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.instants import format_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyRecord
from journeys.streams.rule.policy import DEFAULT_POLICY


class TimeLimit(NamedTuple):
    """`future_skew_ms` of the policies in force, the least; None on a topic of simulated time, which has no limit."""

    future_skew_ms: int | None

    def require(self, record: JourneyRecord, now: int) -> None:
        """Raise InvalidRecordError for a record that lies too far ahead of `now` (ms)."""
        if self.future_skew_ms is not None and record.occurred_at > now + self.future_skew_ms:
            latest = format_instant(now + self.future_skew_ms)
            raise InvalidRecordError("occurred_at", format_instant(record.occurred_at), f"at most {latest}, as of now")


async def time_limit(settings: Settings, codec: Codec) -> TimeLimit:
    """The limit as of now. Reads the changelog; raises as `topic_time` and `policies_in_force`."""
    if (await topic_time(settings, codec)).time_source == "simulated":
        return TimeLimit(None)
    try:
        partitions = await policies_in_force(settings)
    except UnknownTopicError:  # no worker has run yet
        return TimeLimit(DEFAULT_POLICY.future_skew_ms)
    return TimeLimit(min((one.policy.future_skew_ms for one in partitions), default=DEFAULT_POLICY.future_skew_ms))
