"""`journeys import`: history onto the input topic, with its own punctuations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from journeys.schemas.instants import DAY_MS

if TYPE_CHECKING:
    from journeys.agents.history.importer import ImportReport
    from journeys.agents.history.open_history import HistoryFile


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
    behind: Annotated[
        Literal["refuse", "skip", "take"],
        typer.Option(help="What becomes of records that lie behind the clock that the topic had before the import."),
    ] = "refuse",
    largest_step: Annotated[
        float,
        typer.Option(
            "--largest-step",
            min=0.001,
            metavar="DAYS",
            help="A record that would move the clock further is a bad line: one date in the future would end all.",
        ),
    ] = 31.0,
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
    on; one that keeps live time is refused. The numbers of bad lines are printed, and the rest is imported. Exits with
    2 if a record would have moved the clock further than --largest-step.

    Time ends with the last record: what is undecided then stays open, for the next part of the history, for --until,
    or for live traffic after `journeys topics live`. An import that was broken off goes on where it ended when the
    same command is given again. What it repeats within a million records, by journey and id, is left out and counted.
    """
    from journeys.agents.history.importer import ImportOptions
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
                ImportOptions(
                    holds_punctuations=lines.has_punctuations(),
                    punctuate_every_ms=round(every * 60_000),
                    until=until,
                    behind=behind,
                    # A log of its own time is what was decided live, repeats included.
                    leaves_out_repeats=not lines.has_punctuations(),
                    largest_step_ms=round(largest_step * DAY_MS),
                ),
                import_id=_import_id(lines, mapping, every, sort=sort, as_logged=as_logged),
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
    if report.too_far_count or (strict and bad_lines.count):
        raise typer.Exit(WRONG_INPUT)


def _import_id(lines: HistoryFile, mapping: str | None, *options: object, **more: object) -> str | None:
    """Name of the import; None where a second reading is not possible."""
    from journeys.agents.history.import_place import import_id_of
    from journeys.agents.mapping.mapping_file import load_mapping

    meaning = None if mapping is None else load_mapping(mapping).mapping.model_dump_json()
    return import_id_of(lines.files, [meaning, *options, *more.values()]) if lines.files else None


def _json(report: ImportReport, bad_lines: int) -> dict[str, Any]:
    from journeys.cli.json_fields import json_instant

    return {
        "records": report.records,
        "there_before": report.there_before,
        "left_out_behind": report.behind_count,
        "left_out_repeats": report.repeat_count,
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
    there = f", {report.there_before:,} of them by the same import, broken off before" if report.there_before else ""
    behind = f"; {report.behind_count:,} left out, behind the topic's clock" if report.behind_count else ""
    behind += f"; {report.repeat_count:,} left out, said before in this import" if report.repeat_count else ""
    return (
        f"{report.records:,} records{there} and {report.punctuations:,} punctuations imported{span}; "
        f"{bad_lines:,} bad lines{behind}"
    )
