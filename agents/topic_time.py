"""Whose time the input topic keeps: live or simulated, as its first punctuations say."""

from __future__ import annotations

from typing import NamedTuple

from agents.settings import Settings
from schemas.codec import Codec
from schemas.records import Punctuation


class TopicTime(NamedTuple):
    """The first punctuation of every partition that has one, and whether any journey's record is there."""

    first: dict[int, Punctuation]
    holds_journeys: bool

    @property
    def time_source(self) -> str | None:
        """`live` if any partition is, else `simulated` if any is, else None."""
        raise NotImplementedError


async def topic_time(settings: Settings, codec: Codec) -> TopicTime:
    """Read each partition up to its first punctuation. Raises UnknownTopicError, KafkaUnreachableError."""
    raise NotImplementedError
