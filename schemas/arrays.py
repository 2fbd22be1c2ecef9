"""Columns of numbers: what stands in them for what is not there, and how they come out of Arrow arrays and go back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Hashes: TypeAlias = NDArray[np.uint64]
Codes: TypeAlias = NDArray[np.int8]
Objects: TypeAlias = NDArray[np.object_]

NONE: Final = -(2**63)
"""Stands for an integer that is not there. Below all that are, so comparisons with the least come out right."""


def objects(values: Sequence[Any]) -> Objects:
    """An array of objects."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def number_or_none(number: float) -> float | None:
    """A number that may not be there."""
    return None if number != number else float(number)  # noqa: PLR0124  (NaN is not equal to itself)


def integers_of(array: Any) -> Integers:
    """Integers of an Arrow array, NONE for what is not there."""
    integers: Integers = array.fill_null(NONE).to_numpy()
    return integers


def numbers_of(array: Any) -> Floats:
    """Numbers of an Arrow array, NaN for what is not there."""
    numbers: Floats = array.fill_null(np.nan).to_numpy()
    return numbers


def texts_of(array: Any) -> list[Any]:
    """Texts of an Arrow array in UTF-8, None for what is not there."""
    texts: list[Any] = array.cast(pa.binary()).to_pylist()
    return texts


def codes_of(array: Any, texts: Sequence[str], none: int) -> Codes:
    """Places of an Arrow array's texts among `texts`, `none` for what is not there."""
    coded = array.dictionary_encode()
    places = [*(texts.index(text) for text in coded.dictionary.to_pylist()), none]
    codes: Codes = np.array(places, np.int8)[coded.indices.fill_null(len(places) - 1).to_numpy()]
    return codes


def shared_of(array: Any) -> Objects:
    """Texts of an Arrow array, of which there are few: equal ones are one object, in all batches."""
    coded = array.dictionary_encode()
    texts = [*map(sys.intern, coded.dictionary.to_pylist()), None]
    shared: Objects = objects(texts)[coded.indices.fill_null(len(texts) - 1).to_numpy()]
    return shared


def taken(array: Any, places: Integers) -> Objects:
    """Values of an Arrow array at some places."""
    return objects(array.take(pa.array(places)).to_pylist())


def arrow_array(values: Any, is_left_out: Any = False) -> Any:
    """An Arrow array of a column, null what is not there or left out; objects are texts."""
    if values.dtype == np.int64:
        return pa.array(values, mask=(values == NONE) | is_left_out)
    if values.dtype == np.float64:
        return pa.array(values, mask=np.isnan(values))
    return pa.array(values, pa.string()) if values.dtype == np.object_ else pa.array(values)
