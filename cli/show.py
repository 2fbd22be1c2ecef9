"""`journeys show`: what is known of one journey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Application, Servers, settings_of
from journeys.cli.store import Note, RequestedBy, Store, audit, open_store

if TYPE_CHECKING:
    from rich.table import Table

    from journeys.agents.inspect.journey_view import JourneyView


def show(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="Its journey_id.")],
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    store: Store = None,
    requested_by: RequestedBy = None,
    note: Note = None,
) -> None:
    """Show one journey: its row in the table as of the last flush, and what was published about it.

    Who looked, when and why is left on the lifecycle topic (with --store, in the file). Exits with 1 for a journey of
    which nothing is known.
    """
    from rich.console import Console

    record = audit("show", journey, requested_by, note)
    if store is not None:
        hands = open_store(store)
        view = hands.view(journey)
        hands.leave_audit(record)
    else:
        from journeys.agents.inspect.audit_trail import leave_audit
        from journeys.agents.inspect.row_reader import read_row
        from journeys.cli.operation import run_operation

        settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
        view = run_operation(read_row(settings, journey))
        run_operation(leave_audit(settings, record))  # before anything is shown
    console = Console()
    console.print(_row(view))
    if view.abandonments or view.lifecycle:
        console.print(_history(view))
    elif view.row is None:
        raise typer.Exit(CHECK_FAILED)


def _row(view: JourneyView) -> Table:
    from rich.table import Table

    from journeys.schemas.instants import format_instant
    from journeys.schemas.money import format_dollars

    def when(at: int | None) -> str:
        return "-" if at is None else format_instant(at)

    table = Table(title=f"journey {view.journey_id}", title_justify="left", show_header=False, show_edge=False)
    row = view.row
    table.add_row("partition", f"{view.partition}, clock {when(view.clock)}")
    if row is None:
        table.add_row("row", "none: never seen, or forgotten")
        return table
    table.add_row("episode", "open" if row.open else f"ended: {row.previous_outcome}")
    if row.open:
        table.add_row("user", row.user_id or "-")
        table.add_row("state", row.state)
        table.add_row("started", when(row.started_at))
        table.add_row("last touchpoint", when(row.last_touchpoint_at))
        table.add_row("touchpoints", f"{row.touchpoint_count:,}")
        table.add_row("cost in dollars", format_dollars(row.total_cost_micros))
        table.add_row("abandoned unless more comes", when(row.deadline_at))
        table.add_row("timeout", when(row.timeout_deadline_at))
        table.add_row("policy", row.policy_version)
    if row.previous_ended_at is not None:
        table.add_row("previous episode", f"{row.previous_outcome} at {when(row.previous_ended_at)}")
    return table


def _history(view: JourneyView) -> Table:
    from rich.table import Table

    from journeys.schemas.instants import format_instant
    from journeys.schemas.money import format_dollars

    events = [
        (
            abandonment.abandoned_at,
            f"abandoned: {abandonment.abandonment_reason}",
            f"penalty {format_dollars(abandonment.total_penalty_micros)} dollars",
        )
        for abandonment in view.abandonments
    ]
    for said in view.lifecycle:
        details = [said.refusal, said.note, None if said.touchpoint_id is None else f"touchpoint {said.touchpoint_id}"]
        if said.timeout_deadline_at is not None:
            details.append(f"timeout {format_instant(said.timeout_deadline_at)}")
        events.append((said.occurred_at, said.kind, ", ".join(detail for detail in details if detail)))
    table = Table("occurred at", "what", "", title="published", title_justify="left", show_edge=False)
    for at, what, detail in sorted(events, key=lambda event: event[0]):
        table.add_row(format_instant(at), what, detail)
    return table
