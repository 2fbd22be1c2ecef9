"""Touchpoints of a batch of the input topic as arrays, one for each field: for who applies them all at once.

Channel and event type are left out: no rule looks at them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from journeys.schemas.arrays import (
    NONE,
    Codes,
    Floats,
    Hashes,
    Integers,
    Objects,
    codes_of,
    integers_of,
    number_or_none,
    numbers_of,
    objects,
    shared_of,
    texts_of,
)
from journeys.schemas.codec import HEADER_BYTES, Codec, head_of
from journeys.schemas.columns import whole_arrays_of
from journeys.schemas.identity import touchpoint_hashes
from journeys.schemas.records import STATES, Touchpoint
from journeys.schemas.valid_columns import are_valid
from journeys.schemas.validation import LONGEST_TEXT

NO_STATE: Final = -1
_NAME: Final = "Touchpoint"


class TouchpointArrays(NamedTuple):
    """Touchpoints in the order of the log. Integers that are not there are NONE, numbers NaN.

    States are places in STATES (NO_STATE for none), ids in UTF-8; those of which few are looked at are Arrow arrays.
    """

    keys: list[bytes]
    """The journeys' ids: what their records' keys must be."""
    user_ids: Any
    touchpoint_ids: Objects
    id_hashes: Hashes
    occurred_at: Integers
    states: Codes
    cost_micros: Integers
    conversion_probabilities: Floats
    conversion_value_micros: Integers
    action_ids: Any
    policy_versions: Objects
    propensities: Floats
    has_action_id: NDArray[np.bool_]

    def part(self, begin: int, end: int) -> TouchpointArrays:
        """Those from one place to another."""
        parts: Any = (array[begin:end] for array in self)
        return TouchpointArrays(*parts)

    def touchpoint(self, place: int) -> Touchpoint:
        """One of them as a record, without channel and event type."""
        user_id, action_id = self.user_ids[place].as_py(), self.action_ids[place].as_py()
        state, value_micros = int(self.states[place]), int(self.conversion_value_micros[place])
        return Touchpoint(
            self.keys[place].decode(),
            None if user_id is None else user_id.decode(),
            self.touchpoint_ids[place].decode(),
            int(self.occurred_at[place]),
            None,
            None,
            None if state == NO_STATE else STATES[state],
            int(self.cost_micros[place]),
            number_or_none(self.conversion_probabilities[place]),
            None if value_micros == NONE else value_micros,
            None if action_id is None else action_id.decode(),
            self.policy_versions[place],
            number_or_none(self.propensities[place]),
        )


NO_TOUCHPOINTS: Final = TouchpointArrays(
    [],
    pa.array([], pa.binary()),
    np.empty(0, object),
    np.empty(0, np.uint64),
    np.empty(0, np.int64),
    np.empty(0, np.int8),
    np.empty(0, np.int64),
    np.empty(0, np.float64),
    np.empty(0, np.int64),
    pa.array([], pa.binary()),
    np.empty(0, object),
    np.empty(0, np.float64),
    np.empty(0, np.bool_),
)


def touchpoint_head(codec: Codec) -> bytes:
    """First bytes of the wire bytes of touchpoints of the present schema."""
    return head_of(codec.catalog.id_of(_NAME))


def touchpoint_arrays(bodies: list[bytes], codec: Codec) -> TouchpointArrays | None:
    """Arrays of touchpoints given as Avro bodies; None where one of them is not plainly valid. There must be some."""
    writer = codec.catalog.writer(codec.catalog.id_of(_NAME))
    # What is longer may hold a text that is too long, or be too large altogether.
    if not writer.has_columns or max(map(len, bodies)) > LONGEST_TEXT - HEADER_BYTES:
        return None
    arrays = whole_arrays_of(bodies, writer.plain_json)
    if arrays is None or not are_valid(arrays):
        return None
    of = dict(zip(Touchpoint._fields, arrays, strict=True))
    touchpoint_ids = texts_of(of["touchpoint_id"])
    return TouchpointArrays(
        texts_of(of["journey_id"]),
        of["user_id"].cast(pa.binary()),
        objects(touchpoint_ids),
        np.array(touchpoint_hashes(touchpoint_ids), np.uint64),
        of["occurred_at"].to_numpy(),
        codes_of(of["state"], STATES, NO_STATE),
        integers_of(of["cost_micros"]),
        numbers_of(of["conversion_probability"]),
        integers_of(of["conversion_value_micros"]),
        of["action_id"].cast(pa.binary()),
        shared_of(of["policy_version"]),
        numbers_of(of["propensity"]),
        of["action_id"].is_valid().to_numpy(zero_copy_only=False),
    )
