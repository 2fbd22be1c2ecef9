"""Outputs of gathered batches: collected as columns, encoded at once, and brought into the order of the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from journeys.schemas.arrays import Integers
from journeys.schemas.codec import HEADER_BYTES, Codec, head_of
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from journeys.streams.abandoned_episodes import AbandonedEpisodes
from journeys.streams.arrow_messages import ArrowMessages
from journeys.streams.compiled.encoded_messages import EncodedMessages
from journeys.streams.lifecycle_records import LifecycleRecords
from journeys.streams.partition.changelog import encoded_outputs
from journeys.streams.partition.effects import Effects, EncodedOutput
from journeys.streams.policy_columns import PolicyColumns


class _Placed(NamedTuple):
    """Outputs of one topic: offsets of the records that bring them about, and places among what each of those does."""

    offsets: Integers
    places: Integers
    keys: Any
    bodies: Any


class GatheredOutputs:
    """Abandonments and lifecycle records of one partition."""

    def __init__(self, policies: PolicyColumns, partition: int, codec: Codec) -> None:
        self._policies = policies
        self._partition = partition
        self._codec = codec
        self._by_reference: dict[str, list[tuple[int, int, bytes, bytes]]] = {
            JOURNEY_ABANDONMENTS: [],
            JOURNEY_LIFECYCLE: [],
        }
        self.abandoned: list[AbandonedEpisodes] = []
        self.lifecycle: list[LifecycleRecords] = []

    def take_records(self, effects: Effects, offset: int) -> None:
        """Take what the reference says of the record at `offset` out of its effects."""
        if effects.abandonments or effects.lifecycle:
            assert effects.booked is not None
            effects.booked.abandonments(effects.abandonments)
            for topic, outputs in encoded_outputs(effects, self._codec).items():
                placed = self._by_reference[topic]
                placed += [(offset, place, key, value[HEADER_BYTES:]) for place, (key, value) in enumerate(outputs)]
            effects.abandonments.clear()
            effects.lifecycle.clear()

    def encoded(self) -> dict[str, Sequence[EncodedOutput]]:
        """All of them by topic, in order."""
        found: dict[str, Sequence[EncodedOutput]] = {}
        ends = said = None
        if self.abandoned:
            of = AbandonedEpisodes(*map(np.concatenate, zip(*self.abandoned, strict=True)))
            ends = _Placed(
                of.offsets, of.deadlines_at, of.keys, of.bodies(self._policies, self._partition, self._codec)
            )
        if self.lifecycle:
            records = LifecycleRecords(*map(np.concatenate, zip(*self.lifecycle, strict=True)))
            bodies = records.bodies(self._policies, self._partition, self._codec)
            said = _Placed(records.offsets, records.places.astype(np.int64), records.keys, bodies)
        for topic, kind, placed in (
            (JOURNEY_ABANDONMENTS, JourneyAbandoned, ends),
            (JOURNEY_LIFECYCLE, JourneyLifecycle, said),
        ):
            head = head_of(self._codec.catalog.id_of(kind.__name__))
            messages = _in_order([*_placed(self._by_reference[topic]), *([placed] if placed else [])], head)
            found[topic] = [] if messages is None else EncodedMessages(messages, tuple)
        return found


def _placed(outputs: Sequence[tuple[int, int, bytes, bytes]]) -> list[_Placed]:
    if not outputs:
        return []
    offsets, places, keys, bodies = zip(*outputs, strict=True)
    held = np.array(keys, object)
    return [_Placed(np.array(offsets, np.int64), np.array(places, np.int64), held, pa.array(bodies, pa.binary()))]


def _in_order(parts: Sequence[_Placed], head: bytes) -> ArrowMessages | None:
    """Outputs by offset, then place, then journey."""
    if not parts:
        return None
    offsets, places, keys = (np.concatenate(of) for of in list(zip(*parts, strict=True))[:3])
    order = np.lexsort((places, offsets))
    offsets, places = offsets[order], places[order]
    if ((offsets[1:] == offsets[:-1]) & (places[1:] == places[:-1])).any():
        ranks = sorted(range(len(order)), key=lambda index: (offsets[index], places[index], keys[order[index]]))
        order = order[ranks]
    bodies = pa.chunked_array([part.bodies for part in parts]).combine_chunks()
    return ArrowMessages(b"", pa.array(keys[order], pa.binary()), head, bodies.take(pa.array(order)))
