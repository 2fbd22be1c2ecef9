"""`journeys topics copy`: the input log into new topics, with another number of partitions or on another cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Application, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_json, print_line, print_note

if TYPE_CHECKING:
    from journeys.agents.logcopy.copy_check import CopyComparison
    from journeys.agents.logcopy.log_copy import CopyReport
    from journeys.agents.settings.settings import Settings

_PREFIX = "JOURNEYS_"


def copy(
    new_settings: Annotated[
        Path,
        typer.Argument(
            metavar="NEW.env",
            help="Settings of the new topics, as in .env; what it leaves out is as now.",
        ),
    ],
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, metavar="N", help="Partitions of the new topics [default: as many as now]."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Copy the input log into new topics, with another number of partitions or on another cluster.

    The new topics have another JOURNEYS_TOPIC_PREFIX or other JOURNEYS_BOOTSTRAP_SERVERS in NEW.env. The copy follows
    the old log while its workers run, and ends when they are stopped and everything is copied. It may be killed and run
    again: nothing is copied twice. Dead letters are left out.

    Then both logs are replayed and compared, journey by journey. Exits with 1 if one gives other abandonments than the
    other. Workers that are started with NEW.env publish everything anew in the new topics.
    """
    from journeys.agents.logcopy.copy_check import compare_copy
    from journeys.agents.logcopy.log_copy import copy_log
    from journeys.agents.worker.worker_engine import engine_of
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar

    given = {
        name: value
        for name, value in (("bootstrap_servers", bootstrap_servers), ("application_id", application_id))
        if value is not None
    }
    old = settings_of(**given)
    in_file = _settings_in(new_settings)
    if partitions is not None:
        in_file["partitions"] = partitions
    new = settings_of(**given | in_file)
    engine = engine_of(old.engine)

    def say(text: str) -> None:
        print_note(text, quiet=quiet)

    with progress_bar("copying", quiet=quiet) as advance:
        report = run_operation(copy_log(old, new, engine, say, advance, keeps_count="partitions" not in in_file))
    if not as_json:
        _print_copied(report, old, new)
    compared = None
    if report.is_placed:
        say("the switch can be made: workers may be started with the new settings; both logs are compared meanwhile")
        with progress_bar("comparing", quiet=quiet) as advance:
            compared = run_operation(compare_copy(old, new, engine, report, advance))
    if as_json:
        print_json(_json(report, compared))
    else:
        _print_compared(compared)
    if compared is not None and not compared.ok:
        raise typer.Exit(CHECK_FAILED)


def _settings_in(path: Path) -> dict[str, Any]:
    """Settings that a file gives. Raises typer.BadParameter for a variable that is none."""
    from dotenv import dotenv_values

    from journeys.agents.settings.settings import Settings

    if not path.is_file():
        raise typer.BadParameter(f"{path} is no file of settings")
    found: dict[str, Any] = {}
    for variable, value in dotenv_values(path).items():
        if not variable.startswith(_PREFIX):
            continue
        name = variable.removeprefix(_PREFIX).lower()
        if name not in Settings.model_fields:
            raise typer.BadParameter(f"{path}: {variable} is no setting; see docs/settings.md")
        found[name] = value or ""
    return found


def _print_copied(report: CopyReport, old: Settings, new: Settings) -> None:
    from journeys.schemas.topics import JOURNEY_EVENTS

    print_line(
        f"copied: {report.copied:,} records of {old.topic(JOURNEY_EVENTS)} ({len(report.old_ends)} partitions) to "
        f"{new.topic(JOURNEY_EVENTS)} ({len(report.new_ends)} partitions), which has "
        f"{sum(report.new_ends.values()):,}; {report.dead:,} dead letters were left out"
    )


def _print_compared(compared: CopyComparison | None) -> None:
    if compared is None:
        print_line("not compared: partitions had been added to the old log, which no replay follows")
        return
    print_line(
        f"abandonments: {compared.equal:,} equal, {compared.missing:,} missing, {compared.extra:,} extra, "
        f"{compared.different:,} different; open journeys: {compared.open_equal:,} equal, "
        f"{compared.open_different:,} different"
    )
    for line in compared.differences:
        print_line(line)


def _json(report: CopyReport, compared: CopyComparison | None) -> dict[str, Any]:
    counts = ("equal", "missing", "extra", "different", "open_equal", "open_different", "differences")
    return {
        "ok": None if compared is None else compared.ok,
        "copied": report.copied,
        "dead_letters": report.dead,
        "old_partitions": len(report.old_ends),
        "new_partitions": len(report.new_ends),
        "new_records": sum(report.new_ends.values()),
        "compared": None if compared is None else {name: getattr(compared, name) for name in counts},
    }
