"""`journeys correct-clock`: sets the clock of a log that a wrong clock has moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.instant import instant
from journeys.cli.options import Application, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_json, print_note
from journeys.cli.store import Note, RequestedBy, Store, audit, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from journeys.agents.settings.settings import Settings
    from journeys.agents.verify.partition_clock import PartitionClock
    from journeys.schemas.records import ClockCorrected, JourneyLifecycle


def correct_clock(
    *,
    at: Annotated[
        int | None,
        typer.Option(
            parser=instant,
            metavar="INSTANT",
            help="What the clock becomes; without it, now. Needed where time is simulated.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it would change, and change nothing.")] = False,
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    store: Store = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set the clock of every partition after a wrong clock has moved it: a record in each, which replays read, too.

    Set all clocks right first. Journeys that the wrong clock has ended stay ended; their next touchpoint after the
    instant is a return, no longer late. Who corrected, when and why is left on the lifecycle topic.

    With --store the file of an embedded manager is corrected; no manager may hold it.
    """
    import getpass

    from journeys.agents.inspect.audit import ALL_JOURNEYS
    from journeys.agents.verify.partition_clock import is_simulated
    from journeys.cli.answer import NoInstantError
    from journeys.clock import now_ms
    from journeys.schemas.records import ClockCorrected

    record = audit("correct_clock", ALL_JOURNEYS, requested_by, note)
    correction = ClockCorrected(now_ms() if at is None else at, requested_by or getpass.getuser(), note)
    settings = None if store is not None else _settings(bootstrap_servers, application_id)
    clocks = _found(settings, store, correction.at)
    if is_simulated(clocks):
        if at is None:
            raise NoInstantError("this topic" if store is None else str(store))
    else:
        _require_no_future(correction.at)
    if not dry_run:
        _correct(settings, store, correction, record, is_live=not is_simulated(clocks))
    _print(clocks, correction.at, dry_run=dry_run, as_json=as_json)
    what = "nothing was changed" if dry_run else "corrected; workers go on from there"
    print_note(what, quiet=quiet or as_json)


def _settings(servers: str | None, application_id: str | None) -> Settings:
    return settings_of(bootstrap_servers=servers, application_id=application_id)


def _found(settings: Settings | None, store: Path | None, at: int) -> list[PartitionClock]:
    if store is not None:
        return [open_store(store).clock(at)]
    from journeys.agents.verify.clock_correction import find_clocks
    from journeys.cli.operation import run_operation

    assert settings is not None
    return run_operation(find_clocks(settings, at))


def _require_no_future(at: int) -> None:
    """Refuse an instant that would be a dead letter on a live log."""
    from journeys.clock import now_ms
    from journeys.schemas.instants import format_instant
    from journeys.streams.rule.clock import CLOCK_GUARD_MS

    latest = now_ms() + CLOCK_GUARD_MS
    if at > latest:
        raise typer.BadParameter(
            f"--at: {format_instant(at)} is not allowed; expected at most {format_instant(latest)}"
        )


def _correct(
    settings: Settings | None,
    store: Path | None,
    correction: ClockCorrected,
    record: JourneyLifecycle,
    *,
    is_live: bool,
) -> None:
    from journeys.agents.inspect.audit_trail import leave_audit
    from journeys.agents.verify.clock_correction import correct_clocks
    from journeys.cli.operation import run_operation
    from journeys.schemas.invalid import InvalidRecordError

    try:
        if store is not None:
            file = open_store(store)
            file.correct_clock(correction)
            file.leave_audit(record)
            return
        assert settings is not None
        run_operation(leave_audit(settings, record))
        run_operation(correct_clocks(settings, correction, is_live=is_live))
    except InvalidRecordError as error:
        raise typer.BadParameter(str(error)) from None


def _print(clocks: list[PartitionClock], at: int, *, dry_run: bool, as_json: bool) -> None:
    from journeys.agents.verify.partition_clock import described
    from journeys.cli.screen import Screen, new_table
    from journeys.schemas.instants import format_instant

    if as_json:
        print_json({"at": format_instant(at), "dry_run": dry_run, "partitions": [_json(one) for one in clocks]})
        return
    headings = ("clock", "moves by", "journeys no longer late")
    table = new_table("partition", *headings, title=f"clock set to {format_instant(at)}", right=headings[1:])
    for cells in described(clocks, at):
        table.add_row(*cells)
    Screen().print(table)


def _json(found: PartitionClock) -> dict[str, Any]:
    from journeys.schemas.instants import format_instant

    return {
        "partition": found.number,
        "time_source": found.time_source,
        "clock": None if found.clock is None else format_instant(found.clock),
        "journeys": found.journeys,
    }
