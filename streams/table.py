"""The journey table as it is stored: rows to the changelog, and a partition back from it.

Every row begins with the input offset that it stands for, and a tombstone carries it beside the record.
The greater offset wins, whatever order the changelog has: a worker that was frozen can write old rows
behind newer ones, and must not be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

from schemas.codec import HEADER_BYTES, Codec
from schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle
from schemas.rows import PARTITION_KEY, PartitionRow, PolicyRow, journey_key, journey_of, policy_key
from schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from streams.effects import Effects
from streams.partition import Partition
from streams.policy import policy_from_json
from streams.row import Row, stored_columns


class StoredRow(NamedTuple):
    """One changelog record: table key, wire bytes (None for a tombstone), input offset that it stands for."""

    key: bytes
    value: bytes | None
    offset: int


class OutputMessage(NamedTuple):
    """One message for an output topic."""

    topic: str
    key: bytes
    value: bytes


class TableMismatchError(RuntimeError):
    """The stored table does not belong to the topics as they are."""


def output_messages(effects: Effects, codec: Codec) -> list[OutputMessage]:
    """Messages of a batch's outputs, per topic in firing order."""
    messages: list[OutputMessage] = []
    outputs: tuple[tuple[str, Sequence[JourneyAbandoned | JourneyLifecycle]], ...] = (
        (JOURNEY_ABANDONMENTS, effects.abandonments),
        (JOURNEY_LIFECYCLE, effects.lifecycle),
    )
    for topic, records in outputs:
        keys = [record.journey_id.encode() for record in records]
        messages.extend(map(OutputMessage, repeat(topic), keys, codec.encode_all(records)))
    messages.extend(
        OutputMessage(DEAD_LETTERS, dead_letter_key(letter), codec.encode(letter)) for letter in effects.dead_letters
    )
    return messages


def dead_letter_key(letter: DeadLetter) -> bytes:
    """Where the record came from: topic:partition:offset."""
    return f"{letter.topic}:{letter.partition}:{letter.offset}".encode()


def stored_rows(effects: Effects, codec: Codec) -> list[StoredRow]:
    """Changelog records of a batch: policies before the journeys that name them."""
    stored = [StoredRow(policy_key(row.policy_version), codec.encode(row), row.offset) for row in effects.policies]
    rows = list(effects.changed.values())
    if rows:
        values = codec.encode_columns("JourneyRow", stored_columns(rows))
        stored.extend(
            StoredRow(journey_key(row.journey_id), value, row.offset) for row, value in zip(rows, values, strict=True)
        )
    return stored


def stored_partition(partition: Partition, codec: Codec) -> StoredRow:
    """Changelog record that says how far the partition has come; sent when all rows are acknowledged."""
    return StoredRow(PARTITION_KEY, codec.encode(partition.row()), partition.applied_offset)


def tombstones(effects: Effects) -> list[StoredRow]:
    """Changelog records that delete what a batch has forgotten; sent behind the partition row, never ahead of it.

    Kafka drops tombstones after a day. Had a crash left one ahead, its journey would then be unknown to a worker that
    comes back and applies again what stands before the deletion.
    """
    return [StoredRow(journey_key(journey_id), None, offset) for journey_id, offset in effects.forgotten.items()]


def row_offset(value: bytes) -> int:
    """Input offset of a stored row: the first Avro field of every row, read without decoding the rest."""
    position = HEADER_BYTES
    shift = number = 0
    while True:
        byte = value[position]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1)
        shift += 7
        position += 1


class Restore:
    """Collects a partition's changelog and makes the partition of it."""

    def __init__(self, kept: Iterable[StoredRow] = ()) -> None:
        """`kept` are winners of what lies before the next record, where somebody has kept them."""
        self._kept = {row.key: row for row in kept}
        self._winners: dict[bytes, StoredRow] = {}
        self._shadowed: set[bytes] = set()
        self.read = 0
        self.stale = 0

    def add(self, key: bytes, value: bytes | None, tombstone_offset: int) -> None:
        """Take the changelog's next record. `tombstone_offset` is used where the value is None."""
        self.read += 1
        offset = tombstone_offset if value is None else row_offset(value)
        known = self._winners.get(key) or self._kept.get(key)
        if known is not None and known.offset > offset:
            self.stale += 1
            self._shadowed.add(key)
            return
        self._winners[key] = StoredRow(key, value, offset)
        self._shadowed.discard(key)

    @property
    def kept(self) -> int:
        """Rows that somebody has kept."""
        return len(self._kept)

    def winners(self) -> list[StoredRow]:
        """What was read and is not stale."""
        return list(self._winners.values())

    def onto(self, partition: Partition, codec: Codec) -> list[StoredRow]:
        """Put what was read onto a partition: an empty one, or one that missed what others wrote meanwhile.

        Returns rows to write again, because a stale one lies behind them in the changelog. Raises
        TableMismatchError where the table was made for another number of partitions.
        """
        winners = self._kept | self._winners
        rewrites = [winners[key] for key in sorted(self._shadowed)]
        known_until = partition.applied_offset
        for key, stored in winners.items():
            if key[:1] == policy_key("") and stored.value is not None:
                policy_row: PolicyRow = codec.decode(stored.value)
                partition.policies.setdefault(policy_row.policy_version, policy_from_json(policy_row.policy))
                partition.policy_offsets.setdefault(policy_row.policy_version, policy_row.offset)
        own = winners.get(PARTITION_KEY)
        if own is not None and own.value is not None:
            if own.offset < partition.applied_offset:
                rewrites.append(stored_partition(partition, codec))
            else:
                _take_partition_row(partition, codec.decode(own.value))
        rewrites.extend(_take_journeys(partition, winners.values(), known_until, codec))
        return rewrites


def _take_journeys(
    partition: Partition, winners: Iterable[StoredRow], known_until: int, codec: Codec
) -> Iterator[StoredRow]:
    """Take rows unless the partition knows better: it knows all journeys up to the offset `known_until`."""
    wanted: list[tuple[str, bytes]] = []
    for stored in winners:
        journey_id = journey_of(stored.key)
        if journey_id is None:
            continue
        held = partition.rows.get(journey_id)
        if held is not None and held.offset > stored.offset:
            yield StoredRow(stored.key, codec.encode_fields("JourneyRow", held.stored()), held.offset)
        elif held is None and stored.value is not None and stored.offset <= known_until:
            # Deleted here since: taken back, an open row would be abandoned a second time.
            yield StoredRow(stored.key, None, known_until)
        elif stored.value is not None:
            wanted.append((journey_id, stored.value))
        else:
            partition.rows.pop(journey_id, None)
    decoded = codec.decode_all_fields("JourneyRow", [value for _, value in wanted])
    for (journey_id, _), fields in zip(wanted, decoded, strict=True):
        partition.keep(Row.of_stored(journey_id, fields, partition.policies[fields["policy_version"]]))


def _take_partition_row(partition: Partition, row: PartitionRow) -> None:
    if row.partition_count != partition.count:
        raise TableMismatchError(
            f"the table was made for {row.partition_count} partitions, the input topic has {partition.count}: "
            "journeys would be looked for in partitions where they are not; replay the input into a new application"
        )
    partition.applied_offset = row.applied_offset
    partition.clock = row.clock
    partition.time_source = row.time_source
    partition.policy = partition.policies[row.policy_version]
