"""Files of abandonments that `journeys backtest --abandonments` has written, as tables for a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import compute, parquet

from journeys.agents.files.unreadable import UnreadableFileError
from journeys.agents.history.arrow_tables import arrow_schema
from journeys.analytics.table import all_tables
from journeys.schemas.instants import DAY_MS

_SIGNS: Final = frozenset({"abandonment_id", "abandonment_reason", "policy_version", "total_penalty_micros"})


def is_abandonment_file(paths: Sequence[str]) -> bool:
    """Whether the paths are one Parquet file of abandonments, and not of history."""
    if len(paths) != 1 or not Path(paths[0]).is_file():
        return False
    try:
        names = set(parquet.read_schema(paths[0]).names)
    except (pa.ArrowException, OSError):
        return False
    return names >= _SIGNS and "occurred_at" not in names


def write_abandonments(path: str, version: str | None, folder: Path) -> int:
    """Write the abandonments under one policy as the table of a report; gives the days that they span.

    Raises UnreadableFileError.

    The policies of a file end the same episodes under the same ids: without a `version` the file may hold one only.
    """
    try:
        rows = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError(f"{path}: not Parquet: {error}") from None
    versions = sorted(text for text in compute.unique(rows["policy_version"].cast(pa.string())).to_pylist() if text)
    if version is None and len(versions) > 1:
        raise UnreadableFileError(
            f"{path}: abandonments under {len(versions)} policies: name one by --policy-version: {', '.join(versions)}"
        )
    if version is not None:
        if version not in versions:
            raise UnreadableFileError(f"{path}: no abandonment under {version!r}; expected {', '.join(versions)}")
        rows = rows.filter(compute.equal(rows["policy_version"].cast(pa.string()), version))
    (table,) = [table for table in all_tables() if table.record == "JourneyAbandoned"]
    place = folder / table.name
    place.mkdir()
    fields = [field for field in arrow_schema(table) if field.name in rows.column_names]
    # Instants lose their zone, as those of an export: they are UTC.
    made = pa.table({field.name: rows[field.name].cast(field.type) for field in fields})
    parquet.write_table(made, place / "rows.parquet")
    first, last = compute.min_max(made["abandoned_at"].cast(pa.int64())).values()
    return 1 if first.as_py() is None else (last.as_py() - first.as_py()) // DAY_MS + 1
