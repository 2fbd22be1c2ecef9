"""Restore of a partition: collects its changelog, and makes the partition of it.

Every row begins with the input offset that it stands for, and a tombstone carries it beside the record.
The greater offset wins, whatever order the changelog has: a worker that was frozen can write old rows
behind newer ones, and must not be believed.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, TypeAlias

from journeys.schemas.codec import HEADER_BYTES, Codec, plain_codec, schema_id_of
from journeys.schemas.expected_error import ExpectedError
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.rows import (
    PARTITION_KEY,
    START_KEY,
    PartitionRow,
    PolicyRow,
    is_journey,
    is_mark,
    is_policy,
    is_schema,
    journey_of,
)
from journeys.streams.partition.changelog import stored_partition
from journeys.streams.partition.protocols import JourneyPartition
from journeys.streams.rule.clock import version_in_force
from journeys.streams.rule.policy import InvalidPolicyError, Policy, policy_from_json
from journeys.streams.rule.row import UNKNOWN_OFFSET
from journeys.streams.stored.mark_rows import mark_of_row
from journeys.streams.stored.restored_rows import UnreadableRowError, policy_of
from journeys.streams.stored.schema_rows import learn_schemas, missing_schemas
from journeys.streams.stored.stored_row import StoredRow, row_offset

Winner: TypeAlias = bytes | int
"""What a restore holds of a key: wire bytes, or the input offset that its tombstone stands for."""
PIECE_RECORDS: Final = 10_000
"""Records of a table that are worked on in one go: a few hundredths of a second."""


class TableMismatchError(ExpectedError):
    """The stored table does not belong to the topics as they are."""


class Restore:
    """Collects a partition's changelog and makes the partition of it.

    A million rows go through here: of each only its wire bytes are held, or the offset of its tombstone, and its
    own offset is looked at only where two of one key meet. What takes long is done in pieces, so that whoever restores
    can see to other things between two of them.
    """

    def __init__(self, kept: Iterable[StoredRow] = ()) -> None:
        """`kept` is given to `keep`."""
        self._kept: dict[bytes, Winner] = {}
        self._read: dict[bytes, Winner] = {}
        self._shadowed: set[bytes] = set()
        self.kept = 0
        """Rows that somebody has kept."""
        self.read = 0
        self.stale = 0
        self.keep(kept)

    def keep(self, rows: Iterable[StoredRow]) -> None:
        """Take winners of what lies before the first record, where somebody has kept them; records may be there yet."""
        for key, value, offset in rows:
            self.kept += 1
            found = self._read.get(key)
            if found is not None:
                if offset <= _offset_of(key, found):
                    continue
                self.stale += 1
                self._shadowed.add(key)
                del self._read[key]
            self._kept[key] = offset if value is None else value

    def add(self, key: bytes, value: bytes | None, tombstone_offset: int) -> None:
        """Take the changelog's next record. `tombstone_offset` is used where the value is None."""
        self.add_all([(key, tombstone_offset if value is None else value)])

    def add_all(self, records: Sequence[tuple[bytes, Winner]]) -> None:
        """Take the changelog's next records: keys with wire bytes, or the input offset that a tombstone stands for.

        Raises UnreadableRowError for a value that is no row at all.
        """
        self.read += len(records)
        read, kept = self._read, self._kept
        for key, raw in records:
            known = read.get(key)
            if known is None:
                known = kept.get(key)
            if known is not None and _offset_of(key, known) > _offset_of(key, raw):
                self.stale += 1
                self._shadowed.add(key)
                continue
            read[key] = raw
            if self._shadowed:
                self._shadowed.discard(key)

    def winners(self) -> Iterator[StoredRow]:
        """What was read and is not stale."""
        for key, raw in self._read.items():
            yield _stored(key, raw)

    def missing_schemas(self, codec: Codec) -> list[StoredRow]:
        """Rows of present schemas that the table lacks, where all of it was read: they belong before any other row."""
        return missing_schemas(ChainMap(self._read, self._kept), codec)

    def lacks_its_beginning(self) -> bool:
        """Whether a partition row is there and no schema's row, which the first worker wrote before all others.

        So it is with a changelog that was created anew while a worker held the partition.
        """
        both = (self._read, self._kept)
        return any(PARTITION_KEY in rows for rows in both) and not any(is_schema(key) for rows in both for key in rows)

    def unknown_prefixes(self, codec: Codec) -> set[bytes]:
        """First bytes of rows whose schemas neither the catalog knows nor the table tells."""
        both = (self._kept, self._read)
        for rows in both:
            learn_schemas(rows.items(), codec)
        prefixes = {raw[:HEADER_BYTES] for rows in both for raw in rows.values() if not isinstance(raw, int)}
        return {prefix for prefix in prefixes if not _is_known(prefix, codec)}

    def onto(self, partition: JourneyPartition, codec: Codec) -> list[StoredRow]:
        """Put what was read onto a partition: an empty one, or one that missed what others wrote meanwhile.

        Returns rows to write again, because a stale one lies behind them in the changelog. Raises
        TableMismatchError where the table was made for another number of partitions, UnreadableRowError.
        """
        return list(chain.from_iterable(self.pieces_onto(partition, codec)))

    def pieces_onto(self, partition: JourneyPartition, codec: Codec) -> Iterator[list[StoredRow]]:
        """Do as `onto` does, in pieces: each gives its rows to write again, of which most have none.

        The partition can't be used before the last one.
        """
        winners = ChainMap(self._read, self._kept)
        known_until = partition.applied_offset
        others: dict[bytes, Winner] = {}
        for piece in self._pieces():
            others.update((key, found) for key, found in piece if not is_journey(key))
            yield []
        learn_schemas(others.items(), codec)
        for key, raw in others.items():
            if is_policy(key) and not isinstance(raw, int):
                row: PolicyRow = _decoded(key, raw, codec)
                partition.policies.setdefault(row.policy_version, _policy_of(row))
                partition.policy_offsets.setdefault(row.policy_version, row.offset)
            elif is_mark(key) and not isinstance(raw, int):
                partition.marks.add(*mark_of_row(raw))
        started = others.get(START_KEY)
        if started is not None and not isinstance(started, int):
            partition.started = _decoded(START_KEY, started, plain_codec())
        rewrites = [_stored(key, winners[key]) for key in sorted(self._shadowed)]
        own = others.get(PARTITION_KEY)
        if own is not None and not isinstance(own, int):
            if _offset_of(PARTITION_KEY, own) < partition.applied_offset:
                rewrites.append(stored_partition(partition, codec))
            else:
                _take_partition_row(partition, _decoded(PARTITION_KEY, own, codec))
        yield rewrites
        for piece in self._pieces():
            wanted: list[tuple[str, bytes]] = []
            rewrites = list(_choose(partition, piece, known_until, codec, wanted))
            partition.keep_stored(wanted, codec)
            yield rewrites
        partition.forget_again()

    def forget(self) -> Iterator[None]:
        """Free the rows, in pieces: to free millions at once takes as long as to make them."""
        for rows in (self._read, self._kept):
            while rows:
                for _ in range(min(len(rows), PIECE_RECORDS)):
                    rows.popitem()
                yield

    def _pieces(self) -> Iterator[list[tuple[bytes, Winner]]]:
        """What the table holds of each key."""
        read = self._read
        kept = ((key, found) for key, found in self._kept.items() if key not in read)
        entries = chain(read.items(), kept)
        while piece := list(islice(entries, PIECE_RECORDS)):
            yield piece


def _choose(
    partition: JourneyPartition,
    winners: Iterable[tuple[bytes, Winner]],
    known_until: int,
    codec: Codec,
    wanted: list[tuple[str, bytes]],
) -> Iterator[StoredRow]:
    """Add to `wanted` the rows to take, and yield those of which the partition knows better.

    It knows all journeys up to the offset `known_until`.
    """
    for key, raw in winners:
        journey_id = journey_of(key)
        if journey_id is None:
            continue
        held = partition.rows.get(journey_id)
        if isinstance(raw, int):
            if held is None or held.offset <= raw:
                partition.remove(journey_id)
                continue
        elif known_until == UNKNOWN_OFFSET and held is None:
            wanted.append((journey_id, raw))
            continue
        offset = _offset_of(key, raw)
        if held is not None and held.offset > offset:
            yield StoredRow(key, codec.encode_fields("JourneyRow", held.stored()), held.offset)
        elif held is None and offset <= known_until:
            # Deleted here since: taken back, an open row would be abandoned a second time.
            yield StoredRow(key, None, known_until)
        elif not isinstance(raw, int):
            wanted.append((journey_id, raw))


def _is_known(prefix: bytes, codec: Codec) -> bool:
    try:
        return codec.catalog.knows(schema_id_of(prefix))
    except InvalidRecordError:
        return True  # it names no schema


def _stored(key: bytes, raw: Winner) -> StoredRow:
    return StoredRow(key, None, raw) if isinstance(raw, int) else StoredRow(key, raw, _offset_of(key, raw))


def _offset_of(key: bytes, raw: Winner) -> int:
    if isinstance(raw, int):
        return raw
    try:
        return row_offset(raw)
    except IndexError:
        raise UnreadableRowError(f"the row under the key {key!r} is {raw!r}: no row of any schema") from None


def _decoded(key: bytes, value: bytes, codec: Codec) -> Any:
    try:
        return codec.decode(value)
    except InvalidRecordError as error:
        raise UnreadableRowError(f"the row under the key {key!r}: {error}") from None


def _policy_of(row: PolicyRow) -> Policy:
    try:
        return policy_from_json(row.policy)
    except InvalidPolicyError as error:
        raise UnreadableRowError(f"the row of policy {row.policy_version!r}: {error}") from None


def _take_partition_row(partition: JourneyPartition, row: PartitionRow) -> None:
    if row.partition_count != partition.count:
        raise TableMismatchError(
            f"the table was made for {row.partition_count} partitions, the input topic has {partition.count}, and "
            "journeys would be looked for in partitions where they are not: partitions can't be taken away, so copy "
            f"the input into new topics, `journeys topics copy NEW.env --partitions {partition.count}` (docs/topics.md)"
        )
    partition.rule_version = version_in_force(partition.rule_version, row.rule_version, "the table")
    partition.policy = policy_of(partition.policies, row.policy_version, "the partition's own row")
    partition.applied_offset = row.applied_offset
    partition.clock = row.clock
    partition.time_source = row.time_source
    partition.unknown_late_until = row.unknown_late_until
    partition.topic_ids = row.topic_ids
    partition.corrected_clocks = row.corrected_clocks
