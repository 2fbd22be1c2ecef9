"""Touchpoints of a batch of the input topic as arrays, one for each field: for who applies them all at once.

Channel and event type are left out: no rule looks at them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.codec import HEADER_BYTES, Codec, head_of
from schemas.columns import whole_arrays_of
from schemas.identity import touchpoint_hashes
from schemas.records import STATES, Touchpoint
from schemas.valid_columns import are_valid
from schemas.validation import LONGEST_TEXT

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Hashes: TypeAlias = NDArray[np.uint64]
Codes: TypeAlias = NDArray[np.int8]
Objects: TypeAlias = NDArray[np.object_]

NONE: Final = -(2**63)
"""Stands for an integer that is not there. Below all that are, so comparisons with the least come out right."""
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


def taken(array: Any, places: Integers) -> Objects:
    """Values of an Arrow array at some places."""
    return _objects(array.take(pa.array(places)).to_pylist())


def number_or_none(number: float) -> float | None:
    """A number that may not be there."""
    return None if number != number else float(number)  # noqa: PLR0124  (NaN is not equal to itself)


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
    touchpoint_ids = _bytes(of["touchpoint_id"])
    return TouchpointArrays(
        _bytes(of["journey_id"]),
        of["user_id"].cast(pa.binary()),
        _objects(touchpoint_ids),
        np.array(touchpoint_hashes(touchpoint_ids), np.uint64),
        of["occurred_at"].to_numpy(),
        _states(of["state"]),
        _integers(of["cost_micros"]),
        _numbers(of["conversion_probability"]),
        _integers(of["conversion_value_micros"]),
        of["action_id"].cast(pa.binary()),
        _shared(of["policy_version"]),
        _numbers(of["propensity"]),
        of["action_id"].is_valid().to_numpy(zero_copy_only=False),
    )


def _bytes(array: Any) -> list[Any]:
    values: list[Any] = array.cast(pa.binary()).to_pylist()
    return values


def _objects(values: Sequence[Any]) -> Objects:
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def _integers(array: Any) -> Integers:
    integers: Integers = array.fill_null(NONE).to_numpy()
    return integers


def _numbers(array: Any) -> Floats:
    numbers: Floats = array.fill_null(np.nan).to_numpy()
    return numbers


def _states(array: Any) -> Codes:
    coded = array.dictionary_encode()
    places = [*(STATES.index(state) for state in coded.dictionary.to_pylist()), NO_STATE]
    codes: Codes = np.array(places, np.int8)[coded.indices.fill_null(len(places) - 1).to_numpy()]
    return codes


def _shared(array: Any) -> Objects:
    """Texts of which there are few: equal ones are one object, in all batches."""
    coded = array.dictionary_encode()
    texts = [*map(sys.intern, coded.dictionary.to_pylist()), None]
    shared: Objects = _objects(texts)[coded.indices.fill_null(len(texts) - 1).to_numpy()]
    return shared
