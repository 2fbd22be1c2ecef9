"""Changelog records and output messages: encodes what a batch has changed and put out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from journeys.schemas.codec import Codec
from journeys.schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle
from journeys.schemas.rows import (
    PARTITION_KEY,
    journey_key,
    journey_keys,
    mark_key,
    policy_key,
)
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.partition.effects import Effects, EncodedOutput
from journeys.streams.partition.protocols import JourneyPartition
from journeys.streams.rule.row import stored_columns
from journeys.streams.stored.mark_rows import mark_row_value
from journeys.streams.stored.stored_row import StoredRow


class OutputMessage(NamedTuple):
    """One message for an output topic."""

    topic: str
    key: bytes
    value: bytes


def output_messages(effects: Effects, codec: Codec) -> list[OutputMessage]:
    """Messages of a batch's outputs, per topic in firing order."""
    by_topic = outputs_by_topic(effects, codec)
    return [OutputMessage(topic, key, value) for topic, outputs in by_topic.items() for key, value in outputs]


def outputs_by_topic(effects: Effects, codec: Codec) -> dict[str, Sequence[EncodedOutput]]:
    """Outputs of a batch in firing order, by topic; topics that get none are left out."""
    by_topic: dict[str, Sequence[EncodedOutput]] = {**encoded_outputs(effects, codec)}
    for topic, outputs in effects.encoded.items():
        by_topic[topic] = [*by_topic[topic], *outputs] if by_topic[topic] else outputs
    by_topic[DEAD_LETTERS] = [(dead_letter_key(letter), codec.encode(letter)) for letter in effects.dead_letters]
    return {topic: outputs for topic, outputs in by_topic.items() if outputs}


def encoded_outputs(effects: Effects, codec: Codec) -> dict[str, list[EncodedOutput]]:
    """Abandonments and lifecycle records by topic, in firing order, with their keys."""
    outputs: tuple[tuple[str, Sequence[JourneyAbandoned | JourneyLifecycle]], ...] = (
        (JOURNEY_ABANDONMENTS, effects.abandonments),
        (JOURNEY_LIFECYCLE, effects.lifecycle),
    )
    return {
        topic: [
            (record.journey_id.encode(), value)
            for record, value in zip(records, codec.encode_all(records), strict=True)
        ]
        for topic, records in outputs
    }


def dead_letter_key(letter: DeadLetter) -> bytes:
    """Where the record came from: topic:partition:offset."""
    return f"{letter.topic}:{letter.partition}:{letter.offset}".encode()


def stored_rows(effects: Effects, codec: Codec) -> Sequence[StoredRow]:
    """Changelog records of a batch: marks, and policies before the journeys that name them."""
    stored = [StoredRow(mark_key(row.offset), mark_row_value(row), row.offset) for row in effects.marks]
    stored += [StoredRow(policy_key(row.policy_version), codec.encode(row), row.offset) for row in effects.policies]
    rows = list(effects.changed.values())
    if rows:
        values = codec.encode_columns("JourneyRow", stored_columns(rows))
        keys, offsets = journey_keys(effects.changed), [row.offset for row in rows]
        stored.extend(map(StoredRow._make, zip(keys, values, offsets, strict=True)))
    return [*stored, *effects.stored] if stored else effects.stored


def stored_partition(partition: JourneyPartition, codec: Codec) -> StoredRow:
    """Changelog record that says how far the partition has come; sent when all rows are acknowledged."""
    return StoredRow(PARTITION_KEY, codec.encode(partition.row()), partition.applied_offset)


def tombstones(effects: Effects) -> list[StoredRow]:
    """Changelog records that delete what a batch has forgotten; sent behind the partition row, never ahead of it.

    Kafka drops tombstones after a day. Had a crash left one ahead, its journey would then be unknown to a worker that
    comes back and applies again what stands before the deletion.
    """
    return [StoredRow(journey_key(journey_id), None, offset) for journey_id, offset in effects.deleted.items()]
