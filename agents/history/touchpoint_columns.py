"""Touchpoints of a Parquet batch, taken column by column where every row is plainly right.

It says of a batch what `schemas.lines.parse_line` says of each of its lines, or nothing at all. The columns that decide
nothing are not looked at: a user_id of more than 1,000 characters is a bad line to a replay and none to a backtest.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from journeys.schemas.instants import EARLIEST, LATEST
from journeys.schemas.money import LARGEST_MICROS, MICROS
from journeys.schemas.records import STATES
from journeys.schemas.validation import LONGEST_TEXT

DECIDING: Final = frozenset(
    {
        *("kind", "journey_id", "touchpoint_id", "occurred_at", "state", "cost", "cost_micros"),
        *("conversion_probability", "conversion_value"),
    }
)
_TEXTS: Final = ("user_id", "channel", "event_type", "action_id", "policy_version")
# To a floor of milliseconds, by which a timestamp of each unit is multiplied and then divided.
_UNITS: Final = {"s": (1_000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, 1_000_000)}
_STATES: Final = pa.array(STATES)


class _NotPlainError(Exception):
    """The batch has to be looked at line by line."""


def takes_schema(schema: pa.Schema) -> bool:
    """Whether the columns that decide nothing have types in which no row can be wrong."""
    names = schema.names
    texts = (schema.field(name).type for name in _TEXTS if name in names)
    propensity = schema.field("propensity").type if "propensity" in names else pa.null()
    return (
        len(set(names)) == len(names)
        and all(_is_text(kind) or pa.types.is_null(kind) for kind in texts)
        and (pa.types.is_floating(propensity) or pa.types.is_null(propensity))
    )


def touchpoint_columns(batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array, dict[str, pa.Array]] | None:
    """Journeys, ids and numbers of a batch as `HistoryBatch` has them; None where lines have to be looked at."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    try:
        if not _says_touchpoint(columns.get("kind")):
            return None
        return (
            _ids(columns.get("journey_id")),
            _ids(columns.get("touchpoint_id")),
            {
                "occurred_at": _instants(columns.get("occurred_at")),
                "state": _states(columns.get("state"), batch.num_rows),
                "cost_micros": _costs(columns.get("cost"), columns.get("cost_micros")),
                "conversion_probability": _probabilities(columns.get("conversion_probability"), batch.num_rows),
                "conversion_value_micros": _values(columns.get("conversion_value"), batch.num_rows),
            },
        )
    except (_NotPlainError, pa.ArrowException):
        return None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _demand(condition: object) -> None:
    if not condition:
        raise _NotPlainError


def _is_absent(column: pa.Array | None) -> bool:
    return column is None or column.null_count == len(column)


def _says_touchpoint(column: pa.Array | None) -> bool:
    if column is None or _is_absent(column):
        return True
    return _is_text(column.type) and set(pc.unique(column).to_pylist()) <= {None, "", "touchpoint"}


def _required(column: pa.Array | None) -> Any:
    if column is None or column.null_count:
        raise _NotPlainError
    return column


def _ids(found: pa.Array | None) -> pa.Array:
    column = _required(found)
    _demand(_is_text(column.type))
    texts = column.cast(pa.large_string())
    texts.validate(full=True)  # UTF-8
    lengths = pc.min_max(pc.binary_length(texts)).as_py()
    _demand(len(texts) == 0 or (lengths["min"] > 0 and lengths["max"] <= LONGEST_TEXT))
    return texts


def _instants(found: pa.Array | None) -> pa.Array:
    column = _required(found)
    if pa.types.is_timestamp(column.type):
        _demand(column.type.tz is not None)
        times, parts = _UNITS[column.type.unit]
        column = column.cast(pa.int64())
        _demand(_lies_within(column, 0, (2**63 - 1) // times))  # division rounds to zero: a floor from 1970 on
        column = pc.divide(pc.multiply(column, times), parts)
    _demand(pa.types.is_integer(column.type))
    column = column.cast(pa.int64())
    _demand(_lies_within(column, EARLIEST, LATEST - 1))
    return column


def _lies_within(column: pa.Array, least: Any, most: Any) -> bool:
    found = pc.min_max(column).as_py()
    return found["min"] is None or (found["min"] >= least and found["max"] <= most)


def _states(column: pa.Array | None, rows: int) -> pa.Array:
    if column is None or _is_absent(column):
        return pa.repeat(pa.scalar(0, pa.uint8()), rows)
    _demand(_is_text(column.type))
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    names = column.dictionary
    numbers = pc.add(pc.index_in(names, value_set=_STATES.cast(names.type)), 1)
    numbers = pc.if_else(pc.equal(names, ""), 0, numbers)  # CSV's nothing
    _demand(numbers.null_count == 0)
    return pc.fill_null(pc.take(numbers, column.indices), 0).cast(pa.uint8())


def _costs(dollars: pa.Array | None, micros: pa.Array | None) -> pa.Array:
    if micros is None or _is_absent(micros):
        return _micros_of_dollars(_required(dollars))
    _demand(_is_absent(dollars) and micros.null_count == 0 and pa.types.is_integer(micros.type))
    micros = micros.cast(pa.int64())
    _demand(_lies_within(micros, 0, LARGEST_MICROS))
    return micros


def _micros_of_dollars(dollars: Any) -> pa.Array:
    if pa.types.is_integer(dollars.type):
        dollars = dollars.cast(pa.int64())
        _demand(_lies_within(dollars, 0, LARGEST_MICROS // MICROS))
        return pc.multiply(dollars, MICROS)
    _demand(pa.types.is_float64(dollars.type))
    _demand(_lies_within(dollars, 0, LARGEST_MICROS / MICROS - 1))
    micros = pc.round(pc.multiply(dollars, float(MICROS)))
    # Up to 15 digits a decimal is the shortest text of its double: what comes back as the same had at most 6 decimals.
    _demand(pc.all(pc.equal(pc.divide(micros, float(MICROS)), dollars)).as_py() is not False)
    return micros.cast(pa.int64())


def _probabilities(column: pa.Array | None, rows: int) -> pa.Array:
    if column is None or _is_absent(column):
        return pa.repeat(pa.scalar(float("nan")), rows)
    _demand(pa.types.is_float64(column.type))
    _demand(not pc.any(pc.is_nan(column)).as_py())
    _demand(_lies_within(column, 0.0, 1.0))
    return pc.fill_null(column, float("nan"))


def _values(column: pa.Array | None, rows: int) -> pa.Array:
    if column is None or _is_absent(column):
        return pa.repeat(pa.scalar(-1, pa.int64()), rows)
    return pc.fill_null(_micros_of_dollars(column), -1)
