"""GroupCopy: gives the records of a group of old partitions in the order in which the new ones get them. Pure.

An old partition is applied as a worker does, to know its dead letters and its clock: dead letters are left out.

- From one old partition: every record in its order, time and policies to each of the new partitions. So a journey has
  in the new log just what it had in the old one.
- From several: their records by append time. The time of the new partitions is the least of the old ones' clocks, so no
  record comes behind it that was not behind its own. A record that concerns a whole partition, such as a new policy, is
  written once, when each of the old partitions has come to its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from journeys.agents.logcopy.copied_records import COPIED_FROM, Copied, origin_header
from journeys.agents.logcopy.copy_groups import CopyGroup
from journeys.schemas.catalog import INPUT_RECORDS
from journeys.schemas.codec import HEADER_BYTES, Codec, prefix_of, schema_id_of
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import Marks
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import ClockCorrected, JourneyRecord, Punctuation
from journeys.streams.partition.protocols import JourneyProcessor

_JOURNEYS: Final = frozenset(kind.__name__ for kind in JourneyRecord.__args__)
_WRITTEN_BY: Final = "topics copy"
_MARK: Final = "mark"
"""Header of a record that says how another one is read: the copy has what it says, and needs it no more."""
_REMEMBERED_KEYS: Final = 1_000_000


class CopiedRecord(NamedTuple):
    """A record for a partition of the new topic."""

    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


class _Source:
    """One old partition: its state, and what was read of it and not copied yet."""

    def __init__(self, number: int, processor: JourneyProcessor) -> None:
        self.number = number
        self.processor = processor
        self.queue: deque[Any] = deque()
        self.is_held = False
        """Whether its next record concerns the whole partition, and waits for those of the others."""

    @property
    def clock(self) -> int | None:
        """Greatest punctuation applied."""
        return self.processor.partition.clock


class GroupCopy:
    """Copies one group. `dead` counts the dead letters that were left out, by old partition."""

    def __init__(
        self,
        group: CopyGroup,
        new_count: int,
        processors: Mapping[int, JourneyProcessor],
        copied: Mapping[int, Copied],
        codecs: tuple[Codec, Codec],
    ) -> None:
        """`processors` by old partition, `copied` by new one; `codecs` of the old log and of the new one."""
        self.group = group
        self.dead = dict.fromkeys(group.sources, 0)
        self.timeless: set[int] = set()
        """Old partitions that have no punctuation at all: their clocks hold nobody up."""
        self._new_count = new_count
        self._sources = {number: _Source(number, processors[number]) for number in group.sources}
        self._copied = copied
        self._old, self._new = codecs
        self._heads: dict[tuple[Codec, bytes], tuple[str, bytes | None]] = {}
        self._marked: dict[tuple[int, tuple[int, int]], Codec] = {}
        self._targets: dict[bytes, int] = {}
        self._policies: dict[int, bytes] = {}

    def read_as_marked(self, marks: Mapping[int, Marks]) -> None:
        """Take the marks of the old partitions, before their records."""
        for number, source in self._sources.items():
            source.processor.partition.marks = marks[number]

    def push(self, number: int, records: Sequence[Any]) -> None:
        """Take the next records of an old partition, aiokafka's ConsumerRecord."""
        self._sources[number].queue.extend(records)

    def wanted(self, ended: Collection[int]) -> list[int]:
        """Old partitions of which more is to be read before anything can be copied."""
        return [number for number, source in self._sources.items() if not source.queue and number not in ended]

    def clocks(self) -> dict[int, int | None]:
        """Greatest punctuation of each old partition."""
        return {number: source.clock for number, source in self._sources.items()}

    @property
    def is_holding(self) -> bool:
        """Whether an old partition waits for the others at a record that concerns all of it."""
        return any(source.is_held for source in self._sources.values())

    def advance(self, ended: Collection[int], *, release: bool) -> Iterator[CopiedRecord]:
        """Copy what can be copied. `ended` are old partitions that have no more records for now.

        `release`: records that concern a whole partition no longer wait for old partitions that have ended.
        """
        while not self.wanted(ended):
            ready = [source for source in self._sources.values() if source.queue and not source.is_held]
            held = [source for source in self._sources.values() if source.is_held]
            # An old partition without time, as one that was added, is told nothing, and so nobody waits for it.
            has_all = all(source.is_held or self._is_timeless(source) for source in self._sources.values())
            if held and (release or has_all) and not (ready and _next_at(ready) <= _next_at(held)):
                yield from self._release(held)
            elif ready:
                yield from self._copy_some(ready, held if has_all else [])
            else:
                return

    def _copy_some(self, ready: list[_Source], held: list[_Source]) -> Iterator[CopiedRecord]:
        """Copy from the source whose next record is the oldest, up to the next one's."""
        source = _oldest(ready)
        rest = [one.queue[0].timestamp for one in (*ready, *held) if one is not source]
        until = min(rest, default=None)
        queue = source.queue
        taken: list[Any] = []
        while queue and (until is None or queue[0].timestamp <= until):
            if not self.group.is_exact and self._is_for_all(source.number, queue[0]):
                source.is_held = not taken
                break
            taken.append(queue.popleft())
        if not taken:
            return
        yield from self._apply(source, taken)
        if not self.group.is_exact:
            yield from self._time(source.number, taken[-1].offset)

    def _apply(self, source: _Source, records: list[Any]) -> Iterator[CopiedRecord]:
        """Apply records of a source, and copy those that are no dead letters."""
        effects = source.processor.process_log(records, self._old)
        dead = {letter.offset for letter in effects.dead_letters}
        self.dead[source.number] += len(dead)
        number, copied, is_exact = source.number, self._copied, self.group.is_exact
        for record in records:
            if record.offset in dead:
                continue
            kind, head = self._kind(number, record)
            if kind in _JOURNEYS:
                target = self._target(record.key)
                if not copied[target].has(number, record.offset):
                    yield self._copy(target, number, record, head)
            elif is_exact and not any(name == _MARK for name, _ in record.headers):
                for target in self.group.targets:
                    if not copied[target].has(number, record.offset):
                        yield self._copy(target, number, record, head)

    def _time(self, number: int, offset: int) -> Iterator[CopiedRecord]:
        """Punctuate the new partitions at the least clock of the old ones, if that has moved."""
        clocks = [source.clock for source in self._sources.values() if not self._is_timeless(source)]
        if not clocks or any(clock is None for clock in clocks):
            return
        least = min(clock for clock in clocks if clock is not None)
        time_source = self._sources[number].processor.partition.time_source
        # In force once each of the old partitions has it.
        rule_version = min(source.processor.partition.rule_version for source in self._sources.values())
        for target in self.group.targets:
            copied = self._copied[target]
            if copied.clock is not None and copied.clock >= least:
                continue
            copied.clock = least
            value = self._new.encode(Punctuation(least, time_source or "live", _WRITTEN_BY, rule_version))
            yield CopiedRecord(target, None, value, [origin_header(number, offset)])

    def _release(self, held: list[_Source]) -> Iterator[CopiedRecord]:
        """Copy the records for whole partitions at which sources wait: those that are the same as the oldest, once."""
        said = self._content(_oldest(held).queue[0])
        for source in held:
            if self._content(source.queue[0]) != said:
                continue
            source.is_held = False
            record = source.queue.popleft()
            effects = source.processor.process_log([record], self._old)
            if effects.dead_letters:
                self.dead[source.number] += 1
                continue
            kind, head = self._kind(source.number, record)
            for target in self.group.targets:
                if self._policies.get(target) == said:
                    continue
                self._policies[target] = said
                if kind == ClockCorrected.__name__:
                    self._copied[target].clock = source.clock
                if not self._copied[target].has(source.number, record.offset):
                    yield self._copy(target, source.number, record, head)

    def _is_timeless(self, source: _Source) -> bool:
        return source.clock is None and source.number in self.timeless

    def _content(self, record: Any) -> bytes:
        """What a record for a whole partition says, apart from when and by whom it was said."""
        try:
            decoded = self._old.decode_input(record.value)
        except InvalidRecordError:
            return bytes(record.value or b"")
        said = {name: value for name, value in decoded._asdict().items() if name not in _WHEN_AND_WHO}
        return f"{type(decoded).__name__} {said}".encode()

    def _is_for_all(self, number: int, record: Any) -> bool:
        """Whether a record concerns the whole partition, and is neither time nor a mark."""
        if any(name == _MARK for name, _ in record.headers):
            return False
        kind, _ = self._kind(number, record)
        return kind in INPUT_RECORDS and kind not in _JOURNEYS and kind != Punctuation.__name__

    def _codec_at(self, number: int, offset: int) -> Codec:
        """Codec of the old log for a record, as the marks of its partition say."""
        marks = self._sources[number].processor.partition.marks
        if not marks:
            return self._old
        reading = number, marks.reading(offset)
        codec = self._marked.get(reading)
        if codec is None:
            codec = self._marked[reading] = Codec(marks.catalog_at(self._old.catalog, offset))
        return codec

    def _kind(self, number: int, record: Any) -> tuple[str, bytes | None]:
        """Name of a record by its head, and the head under which the new log has it: None where it is encoded anew."""
        if record.value is None:
            return "", None
        head = record.value[:HEADER_BYTES]
        codec = self._codec_at(number, record.offset)
        known = self._heads.get((codec, head))
        if known is None:
            try:
                schema_id = schema_id_of(head)
                name = codec.catalog.writer(schema_id).name
            except InvalidRecordError:
                return "", None  # not remembered: a registry may come to know it
            # Under the project's present schema the body stays as it is; another one is not known in the new log.
            is_own = schema_id == codec.catalog.id_of(name)
            known = self._heads[codec, head] = name, prefix_of(self._new.catalog.id_of(name)) if is_own else None
        return known

    def _copy(self, target: int, number: int, record: Any, head: bytes | None) -> CopiedRecord:
        if head is None:
            value = self._new.encode(self._codec_at(number, record.offset).decode_input(record.value))
        else:
            value = head + record.value[HEADER_BYTES:]
        headers = [header for header in record.headers if header[0] != COPIED_FROM]
        return CopiedRecord(target, record.key, value, [*headers, origin_header(number, record.offset)])

    def _target(self, key: bytes) -> int:
        found = self._targets.get(key)
        if found is None:
            if len(self._targets) >= _REMEMBERED_KEYS:
                self._targets.clear()
            found = self._targets[key] = partition_of(key, self._new_count)
        return found


def _next_at(sources: Sequence[_Source]) -> int:
    """Append time of the oldest record that waits."""
    at: int = _oldest(sources).queue[0].timestamp
    return at


def _oldest(sources: Sequence[_Source]) -> _Source:
    return min(sources, key=lambda source: (source.queue[0].timestamp, source.number))


_WHEN_AND_WHO: Final = frozenset({"occurred_at", "requested_by", "written_by", "note"})
