"""Whether touchpoints are allowed, of many at once, given as Arrow arrays: what `validate` says of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from journeys.schemas.instants import EARLIEST, LATEST
from journeys.schemas.money import LARGEST_MICROS
from journeys.schemas.records import STATES, Touchpoint

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
    )


def _lie_within(array: Any, least: int, most: int) -> bool:
    """Whether all numbers that are there do. NaN does not, for it compares with nothing."""
    if array.null_count:
        array = array.drop_null()
    values = array.to_numpy(zero_copy_only=True)
    return bool(((values >= least) & (values <= most)).all())


def _has_no_empty_text(array: Any) -> bool:
    """Whether no text is empty: each ends behind its beginning."""
    from numpy import diff, frombuffer, int32  # noqa: PLC0415  (loading it takes longer than reading a small file)

    bounds = frombuffer(array.buffers()[1], int32, len(array) + 1, array.offset * int32().itemsize)
    return bool((diff(bounds) > 0).all())
