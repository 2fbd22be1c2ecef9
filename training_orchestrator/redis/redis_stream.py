"""The stream of abandonments in Redis: format of its entries, and its position.

An entry has the place and offset of its output in Kafka or in a store, and the end of the previous entry of the same
place. So a reader's positions are valid in Kafka or the store, too, and it notices each missing entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from training_orchestrator.sources.published_outputs import Place, PublishedRecord

STREAM: Final = b"stream"
_ABANDONED: Final = "abandoned"
_LIFECYCLE_KINDS: Final = frozenset({"returned", "converted"})


class StreamEntry(NamedTuple):
    """One entry: place and offset of the output, end of the previous entry of the place, topic and wire bytes."""

    place: Place
    offset: int
    after: int
    topic: str
    value: bytes

    @classmethod
    def of_fields(cls, fields: Mapping[bytes, bytes]) -> Self | None:
        """Entry of the fields in Redis; None for fields that a mirror does not write."""
        try:
            topic = JOURNEY_ABANDONMENTS if fields[b"kind"].decode() == _ABANDONED else JOURNEY_LIFECYCLE
            place, offset, after = _place(fields[b"place"].decode()), int(fields[b"offset"]), int(fields[b"after"])
            return cls(place, offset, after, topic, fields[b"value"])
        except (KeyError, ValueError):
            return None


@dataclass(slots=True)
class StreamState:
    """Position of the stream. By place, `next` is the offset to mirror next, `ends` the one behind the last entry.

    `stream` is the stream's id, a new one for each new stream; None without a stream.
    """

    stream: str | None = None
    next: dict[Place, int] = field(default_factory=dict)
    ends: dict[Place, int] = field(default_factory=dict)

    @classmethod
    def of_hash(cls, stored: Mapping[bytes, bytes]) -> Self:
        """State of the hash in Redis. Raises ValueError for one that a mirror does not write."""
        state = cls(None if STREAM not in stored else stored[STREAM].decode())
        for name, value in stored.items():
            if name != STREAM:
                place = _place(name.decode())
                next_offset, end = value.split(b":")
                state.next[place], state.ends[place] = int(next_offset), int(end)
        return state

    def to_hash(self) -> dict[str | bytes, str]:
        """Hash for Redis."""
        assert self.stream is not None
        fields: dict[str | bytes, str] = {STREAM: self.stream}
        for place, next_offset in self.next.items():
            fields[_text(place)] = f"{next_offset}:{self.ends.get(place, 0)}"
        return fields

    @property
    def has_entries(self) -> bool:
        """Whether the stream ever got one."""
        return any(self.ends.values())

    def entry(self, each: PublishedRecord, codec: Codec) -> dict[str, Any] | None:
        """Fields of the entry for the next output of its place, None for one that no feed reads; moves the position."""
        record, place = each.record, each.place
        after = self.ends.get(place, 0)
        self.next[place] = each.offset + 1
        kind = _kind(record)
        if kind is None:
            return None
        self.ends[place] = each.offset + 1
        return {
            "kind": kind,
            "journey_id": record.journey_id,
            "place": _text(place),
            "offset": each.offset,
            "after": after,
            "value": codec.encode(record),
        }


def _kind(record: JourneyAbandoned | JourneyLifecycle) -> str | None:
    if isinstance(record, JourneyAbandoned):
        return _ABANDONED
    return record.kind if record.kind in _LIFECYCLE_KINDS else None


def _text(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


def _place(text: str) -> Place:
    topic, _, partition = text.rpartition(":")
    return topic, int(partition)
