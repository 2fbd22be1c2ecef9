"""The stream of abandonments in Redis: what an entry says, and where the stream stands.

An entry bears the place and offset that its output has in Kafka or in a store, and where the entry before it of the
same place ended. So a reader knows its position in the truth itself, sees each entry that it lacks, and can go on from
Kafka or the store with the same checkpoint.
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
_FED: Final = frozenset({"returned", "converted"})


class StreamEntry(NamedTuple):
    """One entry: place and offset of the output, the end of the entry before it there, its topic and wire bytes."""

    place: Place
    offset: int
    after: int
    topic: str
    value: bytes

    @classmethod
    def of_fields(cls, fields: Mapping[bytes, bytes]) -> Self | None:
        """Entry of Redis's fields; None for one that is none of ours."""
        try:
            topic = JOURNEY_ABANDONMENTS if fields[b"kind"].decode() == _ABANDONED else JOURNEY_LIFECYCLE
            place, offset, after = _place(fields[b"place"].decode()), int(fields[b"offset"]), int(fields[b"after"])
            return cls(place, offset, after, topic, fields[b"value"])
        except (KeyError, ValueError):
            return None


@dataclass(slots=True)
class StreamState:
    """Where the stream stands. `next` by place is the offset to read next, `ends` those behind the last entries.

    `stream` names it, and is another one when it was made anew; None where there is none.
    """

    stream: str | None = None
    next: dict[Place, int] = field(default_factory=dict)
    ends: dict[Place, int] = field(default_factory=dict)

    @classmethod
    def of_hash(cls, found: Mapping[bytes, bytes]) -> Self:
        """State as Redis has it. Raises ValueError for one that is none of ours."""
        state = cls(None if STREAM not in found else found[STREAM].decode())
        for name, value in found.items():
            if name != STREAM:
                place = _place(name.decode())
                wanted, end = value.split(b":")
                state.next[place], state.ends[place] = int(wanted), int(end)
        return state

    def to_hash(self) -> dict[str | bytes, str]:
        """The same for Redis."""
        assert self.stream is not None
        found: dict[str | bytes, str] = {STREAM: self.stream}
        for place, wanted in self.next.items():
            found[_text(place)] = f"{wanted}:{self.ends.get(place, 0)}"
        return found

    @property
    def has_entries(self) -> bool:
        """Whether the stream ever got one."""
        return any(self.ends.values())

    def entry(self, each: PublishedRecord, codec: Codec) -> dict[str, Any] | None:
        """Take the next output of its place: fields of its entry, None for one that no feed reads."""
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
    return record.kind if record.kind in _FED else None


def _text(place: Place) -> str:
    return f"{place[0]}:{place[1]}"


def _place(text: str) -> Place:
    topic, _, partition = text.rpartition(":")
    return topic, int(partition)
