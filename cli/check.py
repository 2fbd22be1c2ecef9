"""`journeys check`: whether the stored table is what the input topic makes, and how to make it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.command_line import CHECK_FAILED, FINE, complain
from journeys.cli.options import Application, Servers, settings_of
from journeys.cli.store import Note, RequestedBy, Store, audit, open_store

if TYPE_CHECKING:
    from rich.console import Console

    from journeys.agents.verify.store_report import StoreReport
    from journeys.agents.verify.table_comparison import TableReport
    from journeys.agents.verify.table_rebuild import RebuildReport


def check(
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    differences: Annotated[int, typer.Option(min=0, metavar="N", help="How many to put in words.")] = 10,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First drop the table of stopped workers and make it anew.")
    ] = False,
    store: Store = None,
    requested_by: RequestedBy = None,
    note: Note = None,
) -> None:
    """Rebuild the state of every journey from the input topic and compare it with the stored table, row by row.

    Each partition is compared at the offset that its own row stands for; rows that a crash has left ahead of it are
    counted as ahead. Exits with 1 if anything is missing, extra or different.

    With --rebuild the changelog is deleted, created anew and written from the input topic, up to the offsets that
    the group has committed. Refuses with 2 while the group has members.

    With --store rows and outputs in the file of an embedded manager are compared, which may be at work. Who checked,
    when and why is left on the lifecycle topic.
    """
    from rich.console import Console

    from journeys.agents.inspect.audit import ALL_JOURNEYS

    record = audit("check", ALL_JOURNEYS, requested_by, note)
    if store is not None:
        if rebuild:
            raise typer.BadParameter("--rebuild is for the table of workers: a store's rows are made by its manager")
        hands = open_store(store)
        found = hands.check(differences)
        hands.leave_audit(record)
        show_store_report(found, Console())
        raise typer.Exit(FINE if found.ok else CHECK_FAILED)

    from journeys.agents.inspect.audit_trail import leave_audit
    from journeys.agents.verify.table_check import check_table
    from journeys.agents.verify.table_rebuild import rebuild_table
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar

    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    console = Console()
    run_operation(leave_audit(settings, record))
    if rebuild:
        with progress_bar("rebuilding") as advance:
            rebuilt = run_operation(rebuild_table(settings, advance))
        show_rebuild(rebuilt, console)
    with progress_bar("checking") as advance:
        report = run_operation(check_table(settings, shown=differences, progress=advance))
    show_report(report, console)
    if not report.ok:
        raise typer.Exit(CHECK_FAILED)


def show_rebuild(report: RebuildReport, console: Console) -> None:
    """Print what was written."""
    console.print(f"rebuilt: {report.rows:,} rows from {report.records_read:,} input offsets", highlight=False)
    for number in report.never_committed:
        complain(
            f"partition {number}: the group has committed nothing, so its rows are not rebuilt; the next worker begins "
            "at the start of the input and publishes again, under the same ids"
        )


def show_store_report(report: StoreReport, console: Console) -> None:
    """Print rows, then outputs."""
    from rich.markup import escape

    from journeys.cli.topic_table import topic_table

    show_report(report.table, console)
    console.print(topic_table("stored outputs against replay", "stored twice", report.outputs))
    for topic in report.outputs:
        for difference in topic.differences:
            console.print(escape(difference.text), highlight=False, soft_wrap=True)


def show_report(report: TableReport, console: Console) -> None:
    """Print a comparison: counts as a table, then the differences."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="stored table against replay", title_justify="left", show_edge=False)
    table.add_column("rows", no_wrap=True)
    for column in ("equal", "missing", "extra", "different", "ahead"):
        table.add_column(column, justify="right")
    for kind in report.counts:
        counts = (kind.equal, kind.missing, kind.extra, kind.different, kind.ahead)
        table.add_row(kind.kind, *(f"{count:,}" for count in counts))
    console.print(table)
    console.print(
        f"{report.open_journeys:,} journeys are open, after {report.records_read:,} input offsets", highlight=False
    )
    for difference in report.differences:
        console.print(escape(difference), highlight=False, soft_wrap=True)
