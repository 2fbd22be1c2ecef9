"""`journeys import`: history onto the input topic, with its own punctuations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.files.history_input import (
    AsLogged,
    Files,
    Map,
    Sort,
    history_input,
    require_records,
    shown_name,
    tell_left_out,
)
from journeys.cli.options import HistoryUntil, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_json, print_note

if TYPE_CHECKING:
    from journeys.agents.history.importer import ImportReport


def import_history(
    file: Files,
    *,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
    bootstrap_servers: Servers = None,
    every: Annotated[
        float,
        typer.Option(min=0.001, metavar="MINUTES", help="Minutes of event time from one punctuation to the next."),
    ] = 60.0,
    until: HistoryUntil = None,
    allow_unpunctuated: Annotated[
        bool,
        typer.Option("--allow-unpunctuated", help="Take a topic that holds journeys and no punctuation yet."),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 if there were bad lines.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Append history to the input topic with punctuations of its own, so that event time runs as fast as it can.

    A file that holds punctuations keeps those and gets no others. The topic keeps simulated time from then
    on; one that keeps live time is refused. The numbers of bad lines are printed, and the rest is imported.
    """
    from journeys.agents.history.importer import import_history as run_import
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar
    from journeys.schemas.lines import parse_unvalidated

    settings = settings_of(bootstrap_servers=bootstrap_servers)
    bad_lines = BadLines(shown_name(file))
    with (
        history_input(file, mapping=mapping, sort=sort, as_logged=as_logged) as lines,
        progress_bar("importing", quiet=quiet) as advance,
    ):
        report = run_operation(
            run_import(
                settings,
                lines.records(parse_unvalidated),  # the import validates
                holds_punctuations=lines.has_punctuations(),
                punctuate_every_ms=round(every * 60_000),
                until=until,
                allow_unpunctuated=allow_unpunctuated,
                progress=lambda now: advance(now.records, None),
            )
        )
        tell_left_out(lines, quiet=quiet)
        require_records(lines, report.records + report.punctuations, report.bad_line_count)
    for line in report.bad_lines:
        bad_lines.add(line)
    bad_lines.count = report.bad_line_count  # of very many, the report keeps the first
    bad_lines.close()
    if as_json:
        print_json(_json(report, bad_lines.count))
    print_note(_summary(report, bad_lines.count), quiet=quiet or as_json)
    if strict and bad_lines.count:
        raise typer.Exit(WRONG_INPUT)


def _json(report: ImportReport, bad_lines: int) -> dict[str, Any]:
    from journeys.cli.json_fields import json_instant

    return {
        "records": report.records,
        "punctuations": report.punctuations,
        "bad_lines": bad_lines,
        "first_at": json_instant(report.first_at),
        "clock": json_instant(report.clock),
    }


def _summary(report: ImportReport, bad_lines: int) -> str:
    from journeys.schemas.instants import format_instant

    span = ""
    if report.first_at is not None and report.clock is not None:
        span = f", from {format_instant(report.first_at)} to {format_instant(report.clock)}"
    return (
        f"{report.records:,} records and {report.punctuations:,} punctuations imported{span}; {bad_lines:,} bad lines"
    )
