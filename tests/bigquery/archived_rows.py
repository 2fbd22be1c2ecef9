"""Where rows are: in BigQuery, in an archive. And an archive run that kills itself."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import fsspec
import pyarrow.parquet as pq

from journeys.agents.bigquery.archive import Step, archive
from journeys.agents.bigquery.archive_folder import ArchiveFolder, DayFile, State
from journeys.agents.bigquery.client import Warehouse
from journeys.analytics.table import Table, tables

from .rows import in_milliseconds, query

Row = tuple[Any, ...]


def in_bigquery(client: Any, house: Warehouse) -> Counter[Row]:
    """Rows of all tables, each as often as it is there, with its table before its values."""
    return Counter(
        (table.name, *map(in_milliseconds, row))
        for table in tables()
        for row in query(client, house, f"SELECT {_names(table)} FROM `{{d}}.{table.name}`")
    )


def in_files(folder: ArchiveFolder, state: State = "") -> Counter[Row]:
    """Rows of an archive's files in one state; of pending ones, whose rows may overlap, each as often as one has it.

    A pending file that is finished, too, is not counted: where a move is a copy and a deletion, it may be cut off in
    between. Readers see the finished one alone, and the next run removes the other.
    """
    found: Counter[Row] = Counter()
    for table in tables():
        finished = set(folder.files(table.name, ""))
        for file in folder.files(table.name, state):
            if state and file._replace(state="") in finished:
                continue
            with fsspec.open(f"{folder.url}/{file.name}") as opened:
                rows = pq.read_table(opened).to_pylist()
            held = Counter((table.name, *(plain(row[column.name]) for column in table.columns)) for row in rows)
            found = found | held if state else found + held
    return found


def killed_run(house: tuple[Any, ...], url: str, before: str, step: Step) -> None:
    """Archive the abandonments, and end as by `kill -9` when a step is about to be done."""

    def kill_there(now: Step, _file: DayFile | None) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGKILL)

    archive(
        Warehouse(*house),
        ArchiveFolder(url),
        date.fromisoformat(before),
        really=True,
        chosen=tables()[:1],
        say=kill_there,
    )


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)


def plain(value: Any) -> Any:
    """A value of a Parquet file as the contracts have it: instants, which are in UTC, as milliseconds."""
    return in_milliseconds(value.replace(tzinfo=UTC)) if isinstance(value, datetime) else value
