"""`journeys check`: whether the stored table is what the input topic makes, and its rebuilding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import CHECK_FAILED, FINE
from journeys.cli.options import Application, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_error, print_json, print_line
from journeys.cli.store import Note, RequestedBy, Store, audit, open_store

if TYPE_CHECKING:
    from journeys.agents.verify.store_report import StoreReport
    from journeys.agents.verify.table_comparison import TableReport
    from journeys.agents.verify.table_rebuild import RebuildReport

_COUNTS = ("equal", "missing", "extra", "different", "ahead")


def check(
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    *,
    differences: Annotated[int, typer.Option(min=0, metavar="N", help="How many to put in words.")] = 10,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First drop the table of stopped workers and make it anew.")
    ] = False,
    without_deleted_records: Annotated[
        bool,
        typer.Option(
            "--without-deleted-records",
            help="Rebuild from what is left of an input topic whose first records were deleted; needs --note.",
        ),
    ] = False,
    store: Store = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rebuild the state of every journey from the input topic and compare it with the stored table, row by row.

    Each partition is compared at the offset that its own row stands for; rows that a crash has left ahead of it are
    counted as ahead. Exits with 1 if anything is missing, extra or different.

    With --rebuild the changelog is deleted, created anew and written from the input topic, up to the offsets that
    the group has committed. Refuses with 2 while the group has members.

    An input topic whose first records were deleted is refused with 2, because what they made can't be made again.
    With --without-deleted-records the table is rebuilt all the same, of what is left: journeys that began before lose
    their beginning, nothing can prove the result, and it is not compared. Bring the records back if you can.

    With --store rows and outputs in the file of an embedded manager are compared, which may be at work. Who checked,
    when and why is left on the lifecycle topic.
    """
    from journeys.agents.inspect.audit import ALL_JOURNEYS

    if without_deleted_records and not (rebuild and note):
        raise typer.BadParameter("--without-deleted-records: needs --rebuild, and --note with the reason")
    if without_deleted_records:
        note = f"rebuilt without deleted records: {note}"
    record = audit("check", ALL_JOURNEYS, requested_by, note)
    if store is not None:
        if rebuild:
            raise typer.BadParameter("--rebuild is for the table of workers: a store's rows are made by its manager")
        file = open_store(store)
        stored = file.check(differences)
        file.leave_audit(record)
        if as_json:
            print_json(_store_json(stored))
        else:
            _print_store_report(stored)
        raise typer.Exit(FINE if stored.ok else CHECK_FAILED)

    from journeys.agents.inspect.audit_trail import leave_audit
    from journeys.agents.verify.table_check import check_table
    from journeys.agents.verify.table_rebuild import rebuild_table
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar

    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    run_operation(leave_audit(settings, record))
    rebuilt = None
    if rebuild:
        with progress_bar("rebuilding", quiet=quiet) as advance:
            rebuilt = run_operation(rebuild_table(settings, advance, without_deleted=without_deleted_records))
        _print_rebuild(rebuilt, as_json=as_json)
    if without_deleted_records:
        if as_json:
            nothing: dict[str, Any] = {"rows": [], "open_journeys": None, "records_read": None, "differences": []}
            rebuilt_json = None if rebuilt is None else _rebuild_json(rebuilt)
            print_json({"ok": None, **nothing, "rebuilt": rebuilt_json, "topics": None})
        return
    with progress_bar("checking", quiet=quiet) as advance:
        report = run_operation(check_table(settings, shown=differences, progress=advance))
    if as_json:
        rebuilt_json = None if rebuilt is None else _rebuild_json(rebuilt)
        print_json(_table_json(report) | {"rebuilt": rebuilt_json, "topics": None})
    else:
        _print_report(report)
    if not report.ok:
        raise typer.Exit(CHECK_FAILED)


def _print_rebuild(report: RebuildReport, *, as_json: bool) -> None:
    if not as_json:
        print_line(f"rebuilt: {report.rows:,} rows from {report.records_read:,} input offsets")
    for number in report.never_committed:
        print_error(
            f"partition {number}: the group has committed nothing, so its rows are not rebuilt; the next worker begins "
            "at the start of the input and publishes again, under the same ids"
        )


def _print_store_report(report: StoreReport) -> None:
    from journeys.cli.screen import Screen
    from journeys.cli.views.topic_table import print_differences, topic_table

    _print_report(report.table)
    Screen().print(topic_table("stored outputs against replay", report.outputs))
    print_differences(report.outputs)


def _print_report(report: TableReport) -> None:
    from journeys.cli.screen import Screen, new_table

    table = new_table("rows", *_COUNTS, title="stored table against replay", right=_COUNTS)
    for kind in report.counts:
        table.add_row(kind.kind, *(f"{getattr(kind, name):,}" for name in _COUNTS))
    Screen().print(table)
    print_line(f"{report.open_journeys:,} journeys are open, after {report.records_read:,} input offsets")
    for difference in report.differences:
        print_line(difference)


def _rebuild_json(report: RebuildReport) -> dict[str, Any]:
    return {"rows": report.rows, "records_read": report.records_read, "never_committed": report.never_committed}


def _table_json(report: TableReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "rows": [{"kind": kind.kind, **{name: getattr(kind, name) for name in _COUNTS}} for kind in report.counts],
        "open_journeys": report.open_journeys,
        "records_read": report.records_read,
        "differences": report.differences,
    }


def _store_json(report: StoreReport) -> dict[str, Any]:
    from journeys.cli.views.topic_table import topics_json

    return _table_json(report.table) | {"ok": report.ok, "rebuilt": None, "topics": topics_json(report.outputs)}
