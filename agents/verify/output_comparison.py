"""One output topic against what a replay gives: by id, field by field.

What the replay gives is held as encoded bytes by id, some 500 bytes for each output.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final, Literal, NamedTuple

from journeys.agents.inspect.audit import is_audit
from journeys.agents.verify.field_difference import field_difference
from journeys.schemas.codec import HEADER_BYTES, Codec, schema_id_of
from journeys.schemas.instants import format_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle, OutputRecord
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE

OUTPUT_RECORDS: Final[tuple[tuple[str, type[OutputRecord]], ...]] = (
    (JOURNEY_ABANDONMENTS, JourneyAbandoned),
    (JOURNEY_LIFECYCLE, JourneyLifecycle),
    (DEAD_LETTERS, DeadLetter),
)
"""Output topics, each with the kind of its records."""


class Difference(NamedTuple):
    """One output that is not as the replay says; `text` is the whole sentence."""

    kind: Literal["missing", "extra", "different"]
    topic: str
    output_id: str
    text: str


@dataclass(slots=True)
class TopicComparison:
    """One output topic against the replay. Counts are of ids, but `duplicates` and `unreadable` are of messages."""

    topic: str
    equal: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    """Also an id that was published twice, once as the replay says and once otherwise."""
    duplicates: int = 0
    """Messages that say once more what was said, field by field."""
    unreadable: int = 0
    """Messages that are none of this topic's records; they count as extra, too."""
    ahead: int = 0
    """Published while this was compared, perhaps for input behind the replayed: not judged."""
    audits: int = 0
    """Audit records, which people left and no replay gives: not judged."""
    differences: list[Difference] = field(default_factory=list)
    """The first of them: different and extra ones in the order of the topic, then missing ones in firing order."""

    @property
    def ok(self) -> bool:
        """Whether nothing is missing, extra or different."""
        return not (self.missing or self.extra or self.different)

    def add(self, other: TopicComparison) -> None:
        """Add what was found in a later part of the same topic."""
        for each in fields(self):
            if each.name != "topic":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class OutputComparison:
    """Collects what is expected, then what was published."""

    def __init__(self, topic: str, record: type[OutputRecord], codec: Codec, shown: int) -> None:
        self._found = TopicComparison(topic)
        self._record = record
        self._codec = codec
        self._shown = shown
        self._expected: dict[str, bytes] = {}
        self._equal: set[str] = set()
        self._different: set[str] = set()
        self._extra: set[str] = set()

    def expect(self, record: OutputRecord) -> None:
        """Take an output of the replay."""
        self._expected[output_id(record)] = self._codec.encode(record)

    def see(self, value: bytes | None, place: str, *, is_ahead: bool) -> None:
        """Take a published message; `place` is for people. One that `is_ahead` is never called extra."""
        found = self._found
        try:
            record = self._decoded(value)
        except InvalidRecordError as error:
            if is_ahead:
                found.ahead += 1
                return
            found.unreadable += 1
            found.extra += 1
            self._tell("extra", place, f"{place} can't be read: {error}")
            return
        if isinstance(record, JourneyLifecycle) and is_audit(record.kind):
            found.audits += 1
            return
        known_as = output_id(record)
        expected = self._expected.get(known_as)
        if expected is None:
            self._unexpected(record, known_as, place, is_ahead=is_ahead)
        elif self._is_same(value, expected) or not (differing := _differing(record, self._codec.decode(expected))):
            if known_as in self._equal:
                found.duplicates += 1
            self._equal.add(known_as)
        elif known_as not in self._different:
            self._different.add(known_as)
            self._tell("different", known_as, f"{describe(record)} at {place}: {differing}")

    def result(self) -> TopicComparison:
        """Count, when everything published has been seen."""
        found = self._found
        found.equal = len(self._equal - self._different)
        found.different = len(self._different)
        found.extra = len(self._extra) + found.unreadable
        found.missing = len(self._expected) - len(self._equal | self._different)
        for known_as, value in self._expected.items():
            if len(found.differences) >= self._shown:
                break
            if known_as not in self._equal and known_as not in self._different:
                self._tell("missing", known_as, f"{describe(self._codec.decode(value))}: was not published")
        return found

    def _decoded(self, value: bytes | None) -> OutputRecord:
        if value is None:
            raise InvalidRecordError("value", None, f"a {self._record.__name__}")
        record = self._codec.decode(value)
        if not isinstance(record, self._record):
            raise InvalidRecordError("value", type(record).__name__, f"a {self._record.__name__}")
        return record

    def _is_same(self, value: bytes | None, expected: bytes) -> bool:
        """Whether a readable value says the same in the same schema, under whatever id."""
        assert value is not None
        is_own = self._codec.catalog.writer(schema_id_of(value)).is_own
        return is_own and value[HEADER_BYTES:] == expected[HEADER_BYTES:]

    def _unexpected(self, record: OutputRecord, known_as: str, place: str, *, is_ahead: bool) -> None:
        if is_ahead:
            self._found.ahead += 1
        elif known_as not in self._extra:
            self._extra.add(known_as)
            self._tell("extra", known_as, f"{describe(record)} at {place}: the replay does not give it")

    def _tell(self, kind: Literal["missing", "extra", "different"], known_as: str, text: str) -> None:
        if len(self._found.differences) < self._shown:
            self._found.differences.append(Difference(kind, self._found.topic, known_as, text))


def output_id(record: OutputRecord) -> str:
    """What makes an output the same output when it is published again."""
    if isinstance(record, JourneyAbandoned):
        return record.abandonment_id
    if isinstance(record, JourneyLifecycle):
        return record.lifecycle_id
    return f"{record.topic}:{record.partition}:{record.offset}"


def describe(record: OutputRecord) -> str:
    """The output in a few words."""
    if isinstance(record, JourneyAbandoned):
        at = format_instant(record.abandoned_at)
        return f"abandonment {record.abandonment_id} of {record.journey_id} ({record.abandonment_reason} at {at})"
    if isinstance(record, JourneyLifecycle):
        at = format_instant(record.occurred_at)
        return f"lifecycle {record.lifecycle_id} of {record.journey_id} ({record.kind} at {at})"
    return f"dead letter {record.topic}[{record.partition}] offset {record.offset}"


def _differing(published: OutputRecord, expected: OutputRecord) -> str:
    """Fields that differ, in words; empty if none does."""
    if isinstance(published, DeadLetter):
        return ""  # where it came from is all that a dead letter is known by
    return field_difference(published._asdict(), expected._asdict(), "the replay says")
