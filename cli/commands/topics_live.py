"""`journeys topics live`: from imported history to live traffic, on one set of topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.options import Application, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_json, print_note
from journeys.cli.store import Note, RequestedBy, audit

if TYPE_CHECKING:
    from journeys.agents.history.live_start import FoundPartition


def live(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it would change, and change nothing.")] = False,
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the topic live that history was imported into: a record in each partition, which replays read, too.

    End all imports first. From then on workers write the time, and another import is refused. What was open at the end
    of the history ends by its deadlines as soon as a worker runs. It is done once; said again, it changes nothing. A
    topic whose clock is ahead of now is refused. Who did it and why is left on the lifecycle topic.
    """
    import getpass

    from journeys.agents.history.live_start import find_partitions, make_live
    from journeys.agents.inspect.audit import ALL_JOURNEYS
    from journeys.agents.inspect.audit_trail import leave_audit
    from journeys.cli.operation import run_operation
    from journeys.schemas.records import TimeSourceChanged

    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    record = audit("topics_live", ALL_JOURNEYS, requested_by, note)
    found = run_operation(find_partitions(settings))
    changed = 0
    if not dry_run:
        change = TimeSourceChanged("live", requested_by or getpass.getuser(), note)
        changed = run_operation(make_live(settings, found, change))
        if changed:
            run_operation(leave_audit(settings, record))
    _print(found, dry_run=dry_run, as_json=as_json)
    if dry_run:
        what = "nothing was changed"
    else:
        what = f"{changed} partitions became live" if changed else "the topic was live already"
    print_note(what, quiet=quiet or as_json)


def _print(found: list[FoundPartition], *, dry_run: bool, as_json: bool) -> None:
    from journeys.cli.json_fields import json_instant
    from journeys.cli.screen import Screen, new_table
    from journeys.schemas.instants import format_instant

    if as_json:
        partitions = [
            {"partition": one.number, "time_source": one.time_source, "clock": json_instant(one.clock)} for one in found
        ]
        print_json({"dry_run": dry_run, "partitions": partitions})
        return
    table = new_table("partition", "time so far", "its clock", title="from history to live", right=["its clock"])
    for one in found:
        clock = "-" if one.clock is None else format_instant(one.clock)
        table.add_row(str(one.number), one.time_source or "none yet", clock)
    Screen().print(table)
