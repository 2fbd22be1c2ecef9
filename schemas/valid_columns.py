"""Validates many touchpoints at once, given as Arrow arrays: the answer is `validate`'s for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from journeys.schemas.instants import EARLIEST, LATEST
from journeys.schemas.money import LARGEST_MICROS
from journeys.schemas.records import STATES, Touchpoint
from journeys.schemas.validation import LONGEST_SEGMENT

_STATES: Final = frozenset((*STATES, None))


def are_valid(arrays: Sequence[Any]) -> bool:
    """Whether touchpoints given as arrays, in the order of their fields, are all allowed. There must be some."""
    of = dict(zip(Touchpoint._fields, arrays, strict=True))
    return (
        _has_no_empty_text(of["journey_id"])
        and _has_no_empty_text(of["touchpoint_id"])
        and _lie_within(of["occurred_at"], EARLIEST, LATEST - 1)
        and _lie_within(of["cost_micros"], 0, LARGEST_MICROS)
        and _STATES.issuperset(of["state"].dictionary_encode().dictionary.to_pylist())
        and _lie_within(of["conversion_value_micros"], 0, LARGEST_MICROS)
        and _lie_within(of["conversion_probability"], 0, 1)
        and _lie_within(of["propensity"], 0, 1)
        and _are_segments(of["segment"])
    )


def _lie_within(array: Any, least: int, most: int) -> bool:
    """Whether all numbers that are there do. NaN does not, for it compares with nothing."""
    from pyarrow import compute  # noqa: PLC0415  (loading it takes longer than reading a small file)

    within = compute.and_(compute.greater_equal(array, least), compute.less_equal(array, most))
    return bool(compute.all(within, min_count=0).as_py())


def _has_no_empty_text(array: Any) -> bool:
    from pyarrow import compute  # noqa: PLC0415  (as above)

    return bool(compute.min(compute.binary_length(array)).as_py() > 0)


def _are_segments(array: Any) -> bool:
    from pyarrow import compute  # noqa: PLC0415  (as above)

    if array.null_count == len(array):
        return True
    return _lie_within(compute.utf8_length(array), 1, LONGEST_SEGMENT)
