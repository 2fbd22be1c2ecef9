"""Logs of bad records through the processor: every one counted once, every dead letter with its origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec

from journeys.schemas.codec import Codec
from journeys.schemas.marks import Marks
from journeys.schemas.topics import JOURNEY_EVENTS, MAX_MESSAGE_BYTES
from journeys.streams.compiled.compiled_partition import compiled_partition
from journeys.streams.compiled.compiled_processor import CompiledProcessor
from journeys.streams.partition.changelog import Restore, output_messages, stored_partition, stored_rows, tombstones
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.log_entries import log_entries
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from tests.fixtures.wire_record import WireRecord

CODEC = Codec()
IS_BUILT = find_spec("journeys.engine") is not None
_GREATEST_ROW_BYTES = 64 * 1024
_KEPT_BYTES = 64 * 1024
_REASON_CHARACTERS = 1000
_LOG_APPEND_TIME = 1


def try_log(records: Sequence[tuple[bytes | None, int | None, bytes | None]]) -> Counter[str]:
    """Apply records (key, append time, value) as a worker would, at once and one by one: the same comes out."""
    raws = [
        WireRecord(offset, key, value, -1 if at is None else at, 0 if at is None else _LOG_APPEND_TIME)
        for offset, (key, at, value) in enumerate(records)
    ]
    entries = list(log_entries(raws, CODEC, Marks()))
    partition = Partition()
    effects = Processor(partition).process(entries)
    counts = effects.counts
    assert counts.read == len(raws)
    assert counts.dead == len(effects.dead_letters)
    for letter in effects.dead_letters:
        raw = raws[letter.offset]
        value = raw.value or b""
        assert (letter.topic, letter.partition) == (JOURNEY_EVENTS, 0)
        assert letter.record_value == (None if raw.value is None else value[:_KEPT_BYTES])
        assert (letter.value_size, letter.value_sha256) == (
            len(value),
            "" if raw.value is None else sha256(value).hexdigest(),
        )
        assert 0 < len(letter.reason) <= _REASON_CHARACTERS
    _store(partition, effects)
    one_by_one = Partition()
    processor = Processor(one_by_one)
    alone = [processor.process([entry]) for entry in entries]
    for outputs in ("abandonments", "lifecycle", "dead_letters"):
        assert [said for one in alone for said in getattr(one, outputs)] == getattr(effects, outputs)
    assert _rows(one_by_one) == _rows(partition)
    if IS_BUILT:
        _compare_with_engine(raws)
    said = {"a dead letter with its origin": counts.dead, "taken as valid": counts.read - counts.dead}
    return Counter({what: count for what, count in said.items() if count})


def _compare_with_engine(raws: Sequence[WireRecord]) -> None:
    """The compiled engine gives the same bytes."""
    from journeys.engine import Engine  # noqa: PLC0415  (it may not be built)

    results = []
    for processor in (Processor(Partition()), CompiledProcessor(compiled_partition(Engine, 0, 1, CODEC))):
        effects = processor.process_log(raws, CODEC)
        stored = [*stored_rows(effects, CODEC), stored_partition(processor.partition, CODEC), *tombstones(effects)]
        results.append((output_messages(effects, CODEC), stored, effects.counts))
    assert results[1] == results[0]


def _store(partition: Partition, effects: Effects) -> None:
    """What comes out can be written, and the rows come back."""
    for message in output_messages(effects, CODEC):
        assert len(message.value) + len(message.key) < MAX_MESSAGE_BYTES
        CODEC.decode(message.value)
    restore = Restore()
    for row in [*stored_rows(effects, CODEC), stored_partition(partition, CODEC), *tombstones(effects)]:
        assert len(row.value or b"") <= _GREATEST_ROW_BYTES or row.key[:1] == b"v"
        restore.add(row.key, row.value, row.offset)
    restored = Partition()
    assert restore.onto(restored, CODEC) == []
    assert _rows(restored) == _rows(partition)
    assert restored.row() == partition.row()


def _rows(partition: Partition) -> dict[str, dict[str, object]]:
    return {journey_id: row.stored() for journey_id, row in partition.rows.items()}
