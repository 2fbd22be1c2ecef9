"""Reads touchpoints of a Parquet batch column by column, if all rows are valid and of simple types.

The result is what `schemas.lines.parse_line` gives for each line, or None. Columns that decide nothing are not read:
a user_id of more than 1,000 characters is a bad line for a replay, and not for a backtest.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from journeys.schemas.instants import EARLIEST, LATEST
from journeys.schemas.money import LARGEST_MICROS, MICROS
from journeys.schemas.records import STATES
from journeys.schemas.validation import LONGEST_SEGMENT, LONGEST_TEXT

DECIDING: Final = frozenset(
    {
        *("kind", "journey_id", "touchpoint_id", "occurred_at", "state", "cost", "cost_micros"),
        *("conversion_probability", "conversion_value", "conversion_value_micros", "segment"),
    }
)
_TEXTS: Final = ("user_id", "channel", "event_type", "action_id", "policy_version", "segment")
# Factor and divisor that turn a timestamp of each unit into milliseconds, rounded down.
_UNITS: Final = {"s": (1_000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, 1_000_000)}
_STATES: Final = pa.array(STATES)


class _NotPlainError(Exception):
    """The batch has to be read line by line."""


def takes_schema(schema: pa.Schema) -> bool:
    """Whether the columns that are not read have types in which every value is valid."""
    names = schema.names
    texts = (schema.field(name).type for name in _TEXTS if name in names)
    propensity = schema.field("propensity").type if "propensity" in names else pa.null()
    return (
        len(set(names)) == len(names)
        and all(_is_text(kind) or pa.types.is_null(kind) for kind in texts)
        and (pa.types.is_floating(propensity) or pa.types.is_null(propensity))
    )


def touchpoint_columns(
    batch: pa.RecordBatch,
) -> tuple[pa.Array, pa.Array, dict[str, pa.Array], pa.Array | None] | None:
    """Journey ids, record ids, numbers and segments of a batch, as a `HistoryBatch` has them.

    None if it has to be read line by line.
    """
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    try:
        if not _has_only_touchpoints(columns.get("kind")):
            return None
        return (
            _ids(columns.get("journey_id")),
            _ids(columns.get("touchpoint_id")),
            {
                "occurred_at": _instants(columns.get("occurred_at")),
                "state": _states(columns.get("state"), batch.num_rows),
                "cost_micros": _costs(columns.get("cost"), columns.get("cost_micros")),
                "conversion_probability": _probabilities(columns.get("conversion_probability"), batch.num_rows),
                "conversion_value_micros": _values(
                    columns.get("conversion_value"), columns.get("conversion_value_micros"), batch.num_rows
                ),
            },
            _segments(columns.get("segment")),
        )
    except (_NotPlainError, pa.ArrowException):
        return None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _require(condition: object) -> None:
    if not condition:
        raise _NotPlainError


def _is_absent(column: pa.Array | None) -> bool:
    return column is None or column.null_count == len(column)


def _has_only_touchpoints(column: pa.Array | None) -> bool:
    if column is None or _is_absent(column):
        return True
    return _is_text(column.type) and set(pc.unique(column).to_pylist()) <= {None, "", "touchpoint"}


def _required(column: pa.Array | None) -> Any:
    if column is None or column.null_count:
        raise _NotPlainError
    return column


def _ids(values: pa.Array | None) -> pa.Array:
    column = _required(values)
    _require(_is_text(column.type))
    texts = column.cast(pa.large_string())
    texts.validate(full=True)  # UTF-8
    lengths = pc.min_max(pc.binary_length(texts)).as_py()
    _require(len(texts) == 0 or (lengths["min"] > 0 and lengths["max"] <= LONGEST_TEXT))
    return texts


def _instants(values: pa.Array | None) -> pa.Array:
    column = _required(values)
    if pa.types.is_timestamp(column.type):
        _require(column.type.tz is not None)
        times, parts = _UNITS[column.type.unit]
        column = column.cast(pa.int64())
        _require(_lies_within(column, 0, (2**63 - 1) // times))  # division rounds to zero: a floor from 1970 on
        column = pc.divide(pc.multiply(column, times), parts)
    _require(pa.types.is_integer(column.type))
    column = column.cast(pa.int64())
    _require(_lies_within(column, EARLIEST, LATEST - 1))
    return column


def _lies_within(column: pa.Array, least: Any, most: Any) -> bool:
    limits = pc.min_max(column).as_py()
    return limits["min"] is None or (limits["min"] >= least and limits["max"] <= most)


def _states(column: pa.Array | None, rows: int) -> pa.Array:
    if column is None or _is_absent(column):
        return pa.repeat(pa.scalar(0, pa.uint8()), rows)
    _require(_is_text(column.type))
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    names = column.dictionary
    numbers = pc.add(pc.index_in(names, value_set=_STATES.cast(names.type)), 1)
    numbers = pc.if_else(pc.equal(names, ""), 0, numbers)  # empty text means absent, as in CSV
    _require(numbers.null_count == 0)
    return pc.fill_null(pc.take(numbers, column.indices), 0).cast(pa.uint8())


def _segments(column: pa.Array | None) -> pa.Array | None:
    """Empty text for a row without one; None where no row has one."""
    if column is None or _is_absent(column):
        return None
    _require(_is_text(column.type))
    texts = pc.fill_null(column.cast(pa.large_string()), "")
    texts.validate(full=True)  # UTF-8
    _require(pc.max(pc.utf8_length(texts)).as_py() <= LONGEST_SEGMENT)
    return texts


def _costs(dollars: pa.Array | None, micros: pa.Array | None) -> pa.Array:
    if micros is None or _is_absent(micros):
        return _micros_of_dollars(_required(dollars))
    _require(_is_absent(dollars) and micros.null_count == 0 and pa.types.is_integer(micros.type))
    micros = micros.cast(pa.int64())
    _require(_lies_within(micros, 0, LARGEST_MICROS))
    return micros


def _micros_of_dollars(dollars: Any) -> pa.Array:
    if pa.types.is_integer(dollars.type):
        dollars = dollars.cast(pa.int64())
        _require(_lies_within(dollars, 0, LARGEST_MICROS // MICROS))
        return pc.multiply(dollars, MICROS)
    _require(pa.types.is_float64(dollars.type))
    _require(_lies_within(dollars, 0, LARGEST_MICROS / MICROS - 1))
    micros = pc.round(pc.multiply(dollars, float(MICROS)))
    # A decimal of up to 15 digits survives a double: if dividing gives the same number, it had at most 6 decimals.
    _require(pc.all(pc.equal(pc.divide(micros, float(MICROS)), dollars)).as_py() is not False)
    return micros.cast(pa.int64())


def _probabilities(column: pa.Array | None, rows: int) -> pa.Array:
    if column is None or _is_absent(column):
        return pa.repeat(pa.scalar(float("nan")), rows)
    _require(pa.types.is_float64(column.type))
    _require(not pc.any(pc.is_nan(column)).as_py())
    _require(_lies_within(column, 0.0, 1.0))
    return pc.fill_null(column, float("nan"))


def _values(dollars: pa.Array | None, micros: pa.Array | None, rows: int) -> pa.Array:
    if micros is not None and not _is_absent(micros):
        _require(_is_absent(dollars) and pa.types.is_integer(micros.type))
        micros = micros.cast(pa.int64())
        _require(_lies_within(micros, 0, LARGEST_MICROS))
        return pc.fill_null(micros, -1)
    if dollars is None or _is_absent(dollars):
        return pa.repeat(pa.scalar(-1, pa.int64()), rows)
    return pc.fill_null(_micros_of_dollars(dollars), -1)
