"""Inspects files: format, columns and their roles, a mapping that fits, and what that mapping makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from journeys.agents.discovery.columns import Seen, seen_columns
from journeys.agents.discovery.outcome import Outcome, outcome_of
from journeys.agents.discovery.proposal import Proposal, propose
from journeys.agents.discovery.roles import roles_of
from journeys.agents.discovery.times import TimeForm, time_form
from journeys.agents.files.raw_table import RawTable, Shape, has_header
from journeys.agents.files.source_file import SourceFile
from journeys.agents.mapping.column_sql import Columns
from journeys.agents.mapping.mapped_table import LeftOut, MappedTable, shape_of
from journeys.agents.mapping.mapping_file import (
    InvalidMappingError,
    LoadedMapping,
    load_mapping,
    parse_mapping,
    preset_names,
    preset_text,
)
from journeys.streams.rule.policy import Policy


class Inspection(NamedTuple):
    """What was found in files."""

    files: list[SourceFile]
    delimiters: dict[str, str]
    headers: dict[str, int | None]
    rows: int
    bad_rows: int
    columns: list[Seen]
    roles: dict[str, str]
    """Fields by the column or path that is proposed for them."""
    time: TimeForm | None
    preset: str | None
    """A preset that fits."""
    is_line_format: bool
    """Whether the columns are those of docs/lines.md already."""
    mapping: str
    """A mapping, as TOML."""
    proposal: Proposal
    outcome: Outcome | None
    why_not: str | None
    """Why the mapping can't be applied yet."""
    not_taken: list[LeftOut]


def inspect_files(database: DuckDBPyConnection, files: Sequence[SourceFile], policy: Policy) -> Inspection:
    """Look at files as one table. Raises UnreadableFileError."""
    named = [_with_names(file) for file in files]
    table = RawTable(database, files, load_shape(named[0]), name="looked_at", names_itself=True)
    columns = seen_columns(table)
    readable = Columns(table, (), "inspect")
    texts = {column.name: readable.text(column.name) or "NULL" for column in columns}
    preset = named[0] or fitting_preset(readable)
    roles = roles_of(columns)
    instant = roles.fields.get("occurred_at")
    time = None if instant is None else time_form(table, instant, texts[instant.name])
    proposal = propose(table, roles, time, texts)
    mapping = preset_text(preset) if preset is not None else proposal.toml
    outcome, why_not, not_taken = None, None, []
    try:
        loaded = LoadedMapping(
            parse_mapping(mapping, preset or "the proposed mapping"), Path(), preset or "the proposal"
        )
        applied = RawTable(database, files, shape_of(loaded.mapping), name="raw")
        mapped = MappedTable(applied, loaded)
        cleanup_ms = policy.cleanup_ms
        outcome = outcome_of(mapped, policy.inactivity_ms, policy.timeout_ms, cleanup_ms)
        not_taken = mapped.not_taken()
    except InvalidMappingError as error:
        why_not = str(error)
    rows = database.execute("SELECT count(*) FROM looked_at").fetchall()[0][0]
    return Inspection(
        list(files),
        table.delimiters,
        table.headers,
        int(rows),
        len(table.bad),
        columns,
        {field: column.name for field, column in roles.fields.items()},
        time,
        preset,
        {"journey_id", "touchpoint_id", "occurred_at"} <= table.columns.keys()
        and bool({"cost", "cost_micros"} & table.columns.keys()),
        mapping,
        proposal,
        outcome,
        why_not,
        not_taken,
    )


def fitting_preset(columns: Columns) -> str | None:
    """The preset that knows all the columns of one of its lists."""
    for name in preset_names():
        mapping = load_mapping(name).mapping
        if any(all(columns.holds(one) for one in wanted) for wanted in mapping.fits):
            return name
    return None


def load_shape(preset: str | None) -> Shape | None:
    """How the files of a preset are written; nothing without one."""
    return None if preset is None else shape_of(load_mapping(preset).mapping)


def _with_names(file: SourceFile) -> str | None:
    """The preset that names the columns of a file without a header, by their number."""
    if file.format != "csv" or has_header(file):
        return None
    with file.open() as source:
        width = source.readline(2**20).count(b"\t") + 1
    for name in preset_names():
        columns = load_mapping(name).mapping.file.columns
        if columns is not None and len(columns) == width:
            return name
    return None
