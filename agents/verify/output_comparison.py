"""Compares an output topic with the outputs of a replay: by id, field by field.

The replay's outputs are held as encoded bytes by id, about 500 bytes each.
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
"""Output topics, each with the type of its records."""


class Difference(NamedTuple):
    """One output that differs from the replay; `text` describes it completely."""

    kind: Literal["missing", "extra", "different"]
    topic: str
    output_id: str
    text: str


@dataclass(slots=True)
class TopicComparison:
    """Result for one output topic. Counts are of ids, except `duplicates` and `unreadable`, which count messages."""

    topic: str
    equal: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    """Includes an id that was published twice, once as in the replay and once differently."""
    duplicates: int = 0
    """Repeated messages that are equal in every field."""
    unreadable: int = 0
    """Messages that are not records of this topic's type; they count as extra, too."""
    ahead: int = 0
    """Published during the comparison, perhaps for input after the replayed one: not compared."""
    audits: int = 0
    """Audit records of manual actions, which no replay gives: not compared."""
    differences: list[Difference] = field(default_factory=list)
    """The first differences: different and extra ones in the topic's order, then missing ones in the replay's."""

    @property
    def ok(self) -> bool:
        """Whether nothing is missing, extra or different."""
        return not (self.missing or self.extra or self.different)

    def add(self, other: TopicComparison) -> None:
        """Add the result for a later part of the same topic."""
        for each in fields(self):
            if each.name != "topic":
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class OutputComparison:
    """Takes the expected outputs first, then the published ones."""

    def __init__(self, topic: str, record: type[OutputRecord], codec: Codec, shown: int) -> None:
        self._result = TopicComparison(topic)
        self._record = record
        self._codec = codec
        self._shown = shown
        self._expected: dict[str, bytes] = {}
        self._equal: set[str] = set()
        self._different: set[str] = set()
        self._extra: set[str] = set()

    def expect(self, record: OutputRecord) -> None:
        """Add an output of the replay."""
        self._expected[output_id(record)] = self._codec.encode(record)

    def add_published(self, value: bytes | None, place: str, *, is_ahead: bool) -> None:
        """Compare a published message; `place` describes its position. One that `is_ahead` never counts as extra."""
        result = self._result
        try:
            record = self._decoded(value)
        except InvalidRecordError as error:
            if is_ahead:
                result.ahead += 1
                return
            result.unreadable += 1
            result.extra += 1
            self._add_difference("extra", place, f"{place} can't be read: {error}")
            return
        if isinstance(record, JourneyLifecycle) and is_audit(record.kind):
            result.audits += 1
            return
        id_ = output_id(record)
        expected = self._expected.get(id_)
        if expected is None:
            self._unexpected(record, id_, place, is_ahead=is_ahead)
        elif self._is_same(value, expected) or not (differing := _differing(record, self._codec.decode(expected))):
            if id_ in self._equal:
                result.duplicates += 1
            self._equal.add(id_)
        elif id_ not in self._different:
            self._different.add(id_)
            self._add_difference("different", id_, f"{describe(record)} at {place}: {differing}")

    def result(self) -> TopicComparison:
        """Result, after all published messages."""
        result = self._result
        result.equal = len(self._equal - self._different)
        result.different = len(self._different)
        result.extra = len(self._extra) + result.unreadable
        result.missing = len(self._expected) - len(self._equal | self._different)
        for id_, value in self._expected.items():
            if len(result.differences) >= self._shown:
                break
            if id_ not in self._equal and id_ not in self._different:
                self._add_difference("missing", id_, f"{describe(self._codec.decode(value))}: was not published")
        return result

    def _decoded(self, value: bytes | None) -> OutputRecord:
        if value is None:
            raise InvalidRecordError("value", None, f"a {self._record.__name__}")
        record = self._codec.decode(value)
        if not isinstance(record, self._record):
            raise InvalidRecordError("value", type(record).__name__, f"a {self._record.__name__}")
        return record

    def _is_same(self, value: bytes | None, expected: bytes) -> bool:
        """Whether a readable value has the same schema and the same bytes, whatever its schema id."""
        assert value is not None
        is_own = self._codec.catalog.writer(schema_id_of(value)).is_own
        return is_own and value[HEADER_BYTES:] == expected[HEADER_BYTES:]

    def _unexpected(self, record: OutputRecord, id_: str, place: str, *, is_ahead: bool) -> None:
        if is_ahead:
            self._result.ahead += 1
        elif id_ not in self._extra:
            self._extra.add(id_)
            self._add_difference("extra", id_, f"{describe(record)} at {place}: the replay does not give it")

    def _add_difference(self, kind: Literal["missing", "extra", "different"], id_: str, text: str) -> None:
        if len(self._result.differences) < self._shown:
            self._result.differences.append(Difference(kind, self._result.topic, id_, text))


def output_id(record: OutputRecord) -> str:
    """Id of an output, which is the same when it is published again."""
    if isinstance(record, JourneyAbandoned):
        return record.abandonment_id
    if isinstance(record, JourneyLifecycle):
        return record.lifecycle_id
    return f"{record.topic}:{record.partition}:{record.offset}"


def describe(record: OutputRecord) -> str:
    """Short description of an output."""
    if isinstance(record, JourneyAbandoned):
        at = format_instant(record.abandoned_at)
        return f"abandonment {record.abandonment_id} of {record.journey_id} ({record.abandonment_reason} at {at})"
    if isinstance(record, JourneyLifecycle):
        at = format_instant(record.occurred_at)
        return f"lifecycle {record.lifecycle_id} of {record.journey_id} ({record.kind} at {at})"
    return f"dead letter {record.topic}[{record.partition}] offset {record.offset}"


def _differing(published: OutputRecord, expected: OutputRecord) -> str:
    """Description of the fields that differ; empty if none does."""
    if isinstance(published, DeadLetter):
        return ""  # a dead letter is compared by its origin only
    return field_difference(published._asdict(), expected._asdict(), "the replay says")
