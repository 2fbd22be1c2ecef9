"""CompiledPartition: a partition whose rows and deadlines are held by the compiled engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from fastavro import schemaless_reader

from journeys.schemas.codec import HEADER_BYTES, Codec, prefix_of, schema_id_of
from journeys.schemas.invalid import InvalidRecordError
from journeys.streams.partition.partition_state import PartitionState
from journeys.streams.rule.penalty import PenaltyTable
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row
from journeys.streams.stored.restored_rows import rows_of

if TYPE_CHECKING:
    from journeys.engine import Engine


class CompiledRows(Mapping[str, Row]):
    """Rows of an engine, made anew for each question: what is changed in one comes back only by `keep`."""

    def __init__(self, engine: Engine, policies: Mapping[str, Policy], codec: Codec) -> None:
        self._engine = engine
        self._policies = policies
        writer = codec.catalog.writer(codec.catalog.id_of("JourneyRow"))
        self._schema = writer.parsed

    def __getitem__(self, journey_id: str) -> Row:
        body = self._engine.row(journey_id)
        if body is None:
            raise KeyError(journey_id)
        return self._row(journey_id, body)

    def get(self, journey_id: str, default: Any = None) -> Any:
        """Row of a journey, if it has one."""
        body = self._engine.row(journey_id)
        return default if body is None else self._row(journey_id, body)

    def __contains__(self, journey_id: object) -> bool:
        return isinstance(journey_id, str) and journey_id in self._engine

    def __len__(self) -> int:
        return len(self._engine)

    def __iter__(self) -> Iterator[str]:
        return (journey_id for journey_id, _ in self._engine.rows())

    def _row(self, journey_id: str, body: bytes) -> Row:
        fields: dict[str, Any] = schemaless_reader(BytesIO(body), self._schema, None)
        return Row.of_stored(journey_id, fields, self._policies[fields["policy_version"]])


class CompiledPartition(PartitionState):
    """State of one partition, kept by an engine."""

    def __init__(self, engine: Engine, number: int, count: int, codec: Codec) -> None:
        super().__init__(number, count)
        self.engine = engine
        self._codec = codec
        self._numbers: dict[str, int] = {}
        self._prefixes: dict[bytes, str] = {}
        """Names of the records that the engine takes, by their prefixes."""
        self._reading: tuple[int, int] | None = None
        self._catalog = codec.catalog
        self.rows = CompiledRows(engine, self.policies, codec)

    def number_of(self, policy: Policy) -> int:
        """The engine's number of a policy."""
        number = self._numbers.get(policy.version)
        if number is None:
            number = self._numbers[policy.version] = self.engine.add_policy(policy, PenaltyTable(policy.penalty))
        return number

    def memories(self) -> list[tuple[int, int]]:
        """Of each policy so far, the offset of the record that brought it, and how long it remembers (ms)."""
        return [(at, self.policies[version].cleanup_ms) for version, at in self.policy_offsets.items()]

    def learn_prefix(self, prefix: bytes) -> None:
        """Have the engine take records of this prefix, too, if their schema is the present one under another id."""
        if prefix in self._prefixes:
            return
        writer = self._catalog.writer(schema_id_of(prefix))
        if writer.is_own:
            self._prefixes[prefix] = writer.name
            self.engine.take_prefix(writer.name, prefix)

    def read_from(self, offset: int) -> None:
        """Have the engine read records from an offset on as the partition's marks say there."""
        reading = self.marks.reading(offset)
        if reading == self._reading:
            return
        self._reading = reading
        self._catalog = self.marks.catalog_at(self._codec.catalog, offset)
        for prefix in [prefix for prefix, name in self._prefixes.items() if not self._is_own(prefix, name)]:
            del self._prefixes[prefix]
            self.engine.drop_prefix(prefix)

    def _is_own(self, prefix: bytes, name: str) -> bool:
        try:
            writer = self._catalog.writer(schema_id_of(prefix))
            return writer.is_own and writer.name == name
        except InvalidRecordError:
            return False

    def keep(self, row: Row) -> None:
        """Hold a row that a record has changed; the engine sees to its deadline, and has it stored."""
        self._put(row, is_changed=True)

    def keep_counted(self, row: Row) -> None:
        """Hold a row in which a touchpoint only counted: it is a copy of the engine's."""
        self._put(row, is_changed=True)

    def _put(self, row: Row, *, is_changed: bool) -> None:
        self.number_of(row.policy)
        body = self._codec.encode_fields("JourneyRow", row.stored())[HEADER_BYTES:]
        self.engine.put(row.journey_id, body, is_changed)

    def correct_clock(self, at: int, offset: int) -> tuple[Row, ...]:
        """Set the clock to `at` (ms), and take back what a wrong one has closed; the engine has that stored."""
        self.engine.correct_clock(at, self.clock, offset)
        self.set_clock(at, offset)
        return ()

    def forget_before(self, offset: int, clock: int) -> None:
        """Have ended rows from before `offset` count as absent that an earlier clock (ms) had forgotten."""
        self.engine.forget_before(offset, clock)

    def keep_stored(self, stored: Iterable[tuple[str, bytes]], codec: Codec) -> None:
        """Hold rows given as journeys with their wire bytes; raises UnreadableRowError."""
        for policy in self.policies.values():
            self.number_of(policy)
        entries = list(stored)
        left = self.engine.restore(entries)  # of another schema, mostly
        for rows in rows_of([entries[index] for index in left], self.policies, codec):
            for row in rows:
                self._put(row, is_changed=False)

    def remove(self, journey_id: str) -> None:
        """Drop a journey's row, if it has one."""
        self.engine.remove(journey_id)

    def open_count(self) -> int:
        """Journeys with an open episode."""
        return self.engine.open_count()

    def count_opened(self, change: int) -> None:
        """Do nothing: the engine counts."""

    def next_cleanup_at(self) -> int | None:
        """Clock from which the first row may be deleted; rows that have opened again since may make it too early."""
        return self.engine.next_cleanup_at()

    def next_due_at(self) -> int | None:
        """Clock at which the next deadline fires; None when nothing is open."""
        return self.engine.next_due_at()


def compiled_partition(engine_type: type[Engine], number: int, count: int, codec: Codec) -> CompiledPartition:
    """Partition of an engine of its own, without rows."""
    prefixes = [prefix_of(codec.catalog.id_of(name)) for name in ("JourneyRow", "JourneyAbandoned", "JourneyLifecycle")]
    partition = CompiledPartition(engine_type(number, count, *prefixes), number, count, codec)
    for name in ("Touchpoint", "Punctuation"):
        partition.learn_prefix(prefix_of(codec.catalog.id_of(name)))
    return partition
