"""Lifecycle records of episodes that begin or convert, as columns."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from journeys.schemas.arrays import Codes, Integers, Objects, arrow_array
from journeys.schemas.codec import Codec
from journeys.schemas.identity import abandonment_ids, lifecycle_ids, origin_of
from journeys.schemas.records import STATES, JourneyLifecycle
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.journey_columns import OUTCOMES, JourneyColumns
from journeys.streams.policy_columns import PolicyColumns
from journeys.streams.slot_index import Slots

_KINDS: Final = np.array([b"started", b"returned", b"converted"], object)
_STARTED, _RETURNED, _CONVERTED = range(3)


class LifecycleRecords(NamedTuple):
    """What is said of open episodes. `places`: of two records at one touchpoint, which comes first."""

    offsets: Integers
    places: Codes
    kinds: Codes
    keys: Objects
    user_ids: Objects
    occurred_at: Integers
    detected_at: Integers
    started_at: Integers
    states: Codes
    touchpoint_counts: Integers
    total_cost_micros: Integers
    policies: NDArray[np.int32]
    touchpoint_ids: Objects
    conversion_value_micros: Integers
    converts_at_once: NDArray[np.bool_]
    names_previous: NDArray[np.bool_]
    """Whether the abandonment behind which the episode began is named."""
    previous_started_at: Integers
    previous_outcomes: Codes
    previous_penalties_micros: Integers

    @classmethod
    def begun(
        cls,
        columns: JourneyColumns,
        slots: Slots,
        offsets: Integers,
        detected_at: Integers,
        touchpoint_ids: Objects,
        converts: NDArray[np.bool_],
    ) -> LifecycleRecords:
        """Of episodes that have begun, by touchpoints that are not applied to them yet."""
        is_return = columns.is_return[slots]
        kinds = is_return.astype(np.int8)
        said = cls._of(columns, slots, offsets, detected_at, touchpoint_ids)
        return said._replace(
            kinds=kinds, occurred_at=said.started_at, converts_at_once=converts, names_previous=is_return
        )

    @classmethod
    def converted(
        cls,
        columns: JourneyColumns,
        slots: Slots,
        offsets: Integers,
        ended_at: Integers,
        detected_at: Integers,
        touchpoint_ids: Objects,
    ) -> LifecycleRecords:
        """Of open episodes, before they are closed, that have converted."""
        remembered_ms = columns.policies.cleanup_ms[columns.policy[slots]]
        is_named = columns.is_return[slots] & (ended_at < columns.previous_ended_at[slots] + remembered_ms)
        kinds = np.full(len(slots), _CONVERTED, np.int8)
        said = cls._of(columns, slots, offsets, detected_at, touchpoint_ids)
        return said._replace(places=np.ones_like(kinds), kinds=kinds, occurred_at=ended_at, names_previous=is_named)

    @classmethod
    def _of(
        cls,
        columns: JourneyColumns,
        slots: Slots,
        offsets: Integers,
        detected_at: Integers,
        touchpoint_ids: Objects,
    ) -> LifecycleRecords:
        """What each says of its open episode, the rest as it mostly is."""
        zeros = np.zeros(len(slots), np.int8)
        never = np.zeros(len(slots), np.bool_)
        return cls(
            offsets,
            zeros,
            zeros,
            columns.journey_id[slots],
            columns.user_id[slots],
            detected_at,
            detected_at,
            columns.started_at[slots],
            columns.state[slots],
            columns.touchpoint_count[slots],
            columns.total_cost_micros[slots],
            columns.policy[slots],
            touchpoint_ids,
            columns.conversion_value_micros[slots],
            never,
            never,
            columns.previous_started_at[slots],
            columns.previous_outcome[slots],
            columns.previous_total_penalty_micros[slots],
        )

    def bodies(self, policies: PolicyColumns, partition: int, codec: Codec) -> Any:
        """Avro bodies of the records, as an Arrow array."""
        count = len(self.keys)
        kinds = _KINDS[self.kinds]
        converted = self.kinds == _CONVERTED
        unnamed = ~self.names_previous
        previous = np.full(count, None, object)
        named = np.flatnonzero(self.names_previous)
        previous[named] = abandonment_ids(self.keys[named], self.previous_started_at[named].tolist())
        outcomes = pa.array(self.previous_outcomes, mask=unnamed)
        nothing = [None] * count
        said: dict[str, Any] = {
            "lifecycle_id": lifecycle_ids(
                origin_of(JOURNEY_EVENTS, partition), self.offsets.tolist(), kinds, self.keys
            ),
            "kind": pa.array(kinds, pa.string()),
            "journey_id": pa.array(self.keys, pa.string()),
            "user_id": pa.array(self.user_ids, pa.string()),
            "occurred_at": pa.array(self.occurred_at),
            "detected_at": pa.array(self.detected_at),
            "started_at": pa.array(self.started_at),
            "state": pa.array(STATES, pa.string()).take(pa.array(self.states)),
            "touchpoint_count": pa.array(self.touchpoint_counts),
            "total_cost_micros": pa.array(self.total_cost_micros),
            "policy_version": policies.versions(self.policies),
            "abandonment_id": pa.array(previous, pa.string()),
            "abandonment_reason": pa.array(OUTCOMES, pa.string()).take(outcomes),
            "total_penalty_micros": arrow_array(self.previous_penalties_micros, unnamed),
            "converts_at_once": pa.array(self.converts_at_once, mask=self.kinds != _RETURNED),
            "conversion_value_micros": arrow_array(self.conversion_value_micros, ~converted),
            "touchpoint_id": pa.array(self.touchpoint_ids, pa.string(), mask=self.kinds == _STARTED),
            "source_topic": pa.repeat(JOURNEY_EVENTS, count),
            "source_partition": pa.repeat(pa.scalar(partition, pa.int32()), count),
            "source_offset": pa.array(self.offsets),
        }
        return codec.encode_bodies(
            JourneyLifecycle.__name__, [said.get(field, nothing) for field in JourneyLifecycle._fields]
        )
