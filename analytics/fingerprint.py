"""Fingerprints: row count and checksum of rows in any order, by one SQL query for BigQuery and for Parquet files.

Each row is encoded as text, unambiguously. Its hash, MD5 of the hashes of groups of columns, is split into four numbers
of 32 bits, which are summed over the rows, so repeated rows count. The result does not depend on how an engine prints
numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from journeys.analytics.table import Column

_PIECES: Final = 4
_PIECE_BITS: Final = 32
_AT_A_TIME: Final = 6
# A double is encoded as two integers, exact in every engine: times 2**32, and the remaining fraction times 2**52.
_SHIFT: Final = "4294967296.0"
_SHIFT_OF_REST: Final = "4503599627370496.0"


class UncheckableColumnError(Exception):
    """A column has a type without a checksum."""


class Fingerprint(NamedTuple):
    """Number of rows, and their checksum as 32 hexadecimal digits."""

    rows: int
    checksum: str

    @classmethod
    def of(cls, sums_row: Mapping[str, Any]) -> Fingerprint:
        """Fingerprint in a row of the query `sums`."""
        pieces = [int(sums_row[f"piece_{number}"] or 0) % 2**_PIECE_BITS for number in range(_PIECES)]
        return cls(int(sums_row["row_count"]), "".join(f"{piece:08x}" for piece in pieces))


def sums(source: str, columns: Sequence[Column], where: str = "TRUE", *, by: str | None = None) -> str:
    """Query in BigQuery's SQL for the Fingerprint of the rows of `source`; with `by`, one for each value of it.

    Raises UncheckableColumnError.
    """
    texts = [_text(one) if one.is_required else f"IF({one.name} IS NULL, '-', {_text(one)})" for one in columns]
    texts = _hashes(texts)
    while len(texts) > 1:
        texts = _hashes(texts)
    key, group = ("", "") if by is None else (f"{by} AS part, ", " GROUP BY part ORDER BY part")
    named = "" if by is None else "part, "
    pieces = ", ".join(f"SUM({_piece(number)}) AS piece_{number}" for number in range(_PIECES))
    return (
        f"SELECT {named}COUNT(*) AS row_count, {pieces} FROM "  # noqa: S608 - names of the contracts
        f"(SELECT {key}{texts[0]} AS hash FROM {source} WHERE {where}) AS hashed{group}"
    )


def is_still(source: str, columns: Sequence[Column], where: str, expected: Fingerprint) -> str:
    """Condition in BigQuery's SQL: the rows of `source` that fulfil `where` have the expected fingerprint."""
    pieces = [expected.checksum[8 * number : 8 * number + 8] for number in range(_PIECES)]
    same = " AND ".join(
        f"MOD(piece_{number}, {2**_PIECE_BITS}) = {int(piece, 16)}" for number, piece in enumerate(pieces)
    )
    return f"(SELECT row_count = {expected.rows} AND {same} FROM ({sums(source, columns, where)}) AS present)"  # noqa: S608 - names of the contracts


def _hashes(texts: Sequence[str]) -> list[str]:
    # A few columns at a time: SQL translators nest concatenations, and fail if they are nested too deeply.
    parts = [texts[start : start + _AT_A_TIME] for start in range(0, len(texts), _AT_A_TIME)]
    return ["TO_HEX(MD5(CONCAT(" + ", '|', ".join(part) + ", '|')))" for part in parts]


def _piece(number: int) -> str:
    return f"CAST(CONCAT('0x', SUBSTR(hash, {1 + 8 * number}, 8)) AS INT64)"


def _number(whole: str) -> str:
    # No contract has a double of 2**31 or more; such a value must not fail the query.
    return f"IFNULL(CAST(SAFE_CAST({whole} AS INT64) AS STRING), 'wide')"


def _text(column: Column) -> str:
    name = column.name
    if column.kind == "STRING":
        # With its length, so that a bar in the text can't be confused with the separator.
        return f"CONCAT(CAST(CHAR_LENGTH({name}) AS STRING), ':', {name})"
    if column.kind in {"INTEGER", "BOOLEAN"}:
        return f"CAST({name} AS STRING)"
    if column.kind == "TIMESTAMP":
        return f"CAST(UNIX_MICROS({name}) AS STRING)"
    if column.kind == "BYTES":
        return f"TO_HEX({name})"
    if column.kind == "FLOAT":
        whole = f"TRUNC({name} * {_SHIFT})"
        rest = f"TRUNC(({name} * {_SHIFT} - {whole}) * {_SHIFT_OF_REST})"
        return f"CONCAT({_number(whole)}, '.', {_number(rest)})"
    raise UncheckableColumnError(f"column {name} is {column.kind}, which has no checksum; remove it from the table")
