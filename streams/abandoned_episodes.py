"""Episodes that were abandoned at their deadlines, as columns, and the records that say so."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from journeys.schemas.arrays import Codes, Floats, Integers, Objects, arrow_array
from journeys.schemas.codec import Codec
from journeys.schemas.identity import abandonment_ids
from journeys.schemas.records import STATES, JourneyAbandoned
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.journey_columns import JourneyColumns
from journeys.streams.penalty_arrays import PenaltyArrays
from journeys.streams.policy_columns import PolicyColumns
from journeys.streams.slot_index import Slots


class AbandonedEpisodes(NamedTuple):
    """What is said of them. `offsets` are those of the punctuations that found them out."""

    offsets: Integers
    deadlines_at: Integers
    detected_at: Integers
    is_timeout: NDArray[np.bool_]
    keys: Objects
    user_ids: Objects
    states: Codes
    policies: NDArray[np.int32]
    started_at: Integers
    last_touchpoint_at: Integers
    touchpoint_counts: Integers
    total_cost_micros: Integers
    action_ids: Objects
    touchpoint_policy_versions: Objects
    propensities: Floats
    record_offsets: Integers
    days_active: Integers
    conversion_probabilities: Floats
    conversion_value_micros: Integers
    penalty_amount_micros: Integers
    opportunity_cost_micros: Integers
    state_weights: Floats
    time_factors: Floats
    reason_multipliers: Floats

    @classmethod
    def of(
        cls,
        columns: JourneyColumns,
        slots: Slots,
        deadlines_at: Integers,
        offsets: Integers,
        detected_at: Integers,
        is_timeout: NDArray[np.bool_],
        penalties: PenaltyArrays,
    ) -> AbandonedEpisodes:
        """Episodes that are still open."""
        return cls(
            offsets,
            deadlines_at,
            detected_at,
            is_timeout,
            columns.journey_id[slots],
            columns.user_id[slots],
            columns.state[slots],
            columns.policy[slots],
            columns.started_at[slots],
            columns.last_touchpoint_at[slots],
            columns.touchpoint_count[slots],
            columns.total_cost_micros[slots],
            columns.action_id[slots],
            columns.touchpoint_policy_version[slots],
            columns.propensity[slots],
            columns.record_offset[slots],
            *penalties,
        )

    def bodies(self, policies: PolicyColumns, partition: int, codec: Codec) -> Any:
        """Avro bodies of the records, as an Arrow array."""
        count = len(self.keys)
        formulas = [policy.penalty.formula_version for policy in policies.numbered]
        nothing = [None] * count
        said: dict[str, Any] = {
            "abandonment_id": abandonment_ids(self.keys, self.started_at.tolist()),
            "journey_id": pa.array(self.keys, pa.string()),
            "user_id": pa.array(self.user_ids, pa.string()),
            "abandonment_reason": pa.array(["INACTIVITY", "TIMEOUT"]).take(pa.array(self.is_timeout.astype(np.int8))),
            "state": pa.array(STATES, pa.string()).take(pa.array(self.states)),
            "started_at": pa.array(self.started_at),
            "last_touchpoint_at": arrow_array(self.last_touchpoint_at),
            "abandoned_at": pa.array(self.deadlines_at),
            "detected_at": pa.array(self.detected_at),
            "days_active": pa.array(self.days_active),
            "touchpoint_count": pa.array(self.touchpoint_counts),
            "total_cost_micros": pa.array(self.total_cost_micros),
            "conversion_probability": pa.array(self.conversion_probabilities),
            "conversion_value_micros": pa.array(self.conversion_value_micros),
            "penalty_amount_micros": pa.array(self.penalty_amount_micros),
            "opportunity_cost_micros": pa.array(self.opportunity_cost_micros),
            "total_penalty_micros": pa.array(self.penalty_amount_micros + self.opportunity_cost_micros),
            "state_weight": pa.array(self.state_weights),
            "time_factor": pa.array(self.time_factors),
            "reason_multiplier": pa.array(self.reason_multipliers),
            "formula_version": pa.array(np.array(formulas, np.int32)[self.policies]),
            "policy_version": policies.versions(self.policies),
            "terminated": pa.array(np.zeros(count, np.bool_)),
            "truncated": pa.array(np.ones(count, np.bool_)),
            "action_id": pa.array(self.action_ids, pa.string()),
            "touchpoint_policy_version": pa.array(self.touchpoint_policy_versions, pa.string()),
            "propensity": arrow_array(self.propensities),
            "source_topic": pa.repeat(JOURNEY_EVENTS, count),
            "source_partition": pa.repeat(pa.scalar(partition, pa.int32()), count),
            "source_offset": pa.array(self.record_offsets),
        }
        return codec.encode_bodies(
            JourneyAbandoned.__name__, [said.get(field, nothing) for field in JourneyAbandoned._fields]
        )
