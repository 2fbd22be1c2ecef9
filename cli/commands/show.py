"""`journeys show`: what is stored and published of one journey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Application, Json, Servers, settings_of
from journeys.cli.output import print_json, print_line
from journeys.cli.store import Note, RequestedBy, Store, audit, open_store

if TYPE_CHECKING:
    from rich.table import Table

    from journeys.agents.inspect.journey_view import JourneyView
    from journeys.streams.rule.row import Row

_EPISODE = (
    *("user_id", "state", "started_at", "last_touchpoint_at", "touchpoint_count", "total_cost_micros"),
    *("deadline_at", "timeout_deadline_at", "policy_version"),
    *("segment", "journey_touchpoint_count", "inactivity_rule", "timeout_rule"),
)


def show(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="Its journey_id.")],
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    store: Store = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    as_json: Json = False,
) -> None:
    """Show one journey: its row in the table as of the last flush, and what was published about it.

    Who looked, when and why is left on the lifecycle topic (with --store, in the file). Exits with 1 for a journey of
    which nothing is known.
    """
    record = audit("show", journey, requested_by, note)
    if store is not None:
        file = open_store(store)
        view = file.view(journey)
        file.leave_audit(record)
    else:
        from journeys.agents.inspect.audit_trail import leave_audit
        from journeys.agents.inspect.row_reader import read_row
        from journeys.cli.operation import run_operation

        settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
        view = run_operation(read_row(settings, journey))
        run_operation(leave_audit(settings, record))  # before anything is shown
    if as_json:
        print_json(_json(view))
    else:
        _print_tables(view)
    if view.row is None and not view.abandonments and not view.lifecycle:
        raise typer.Exit(CHECK_FAILED)


def _json(view: JourneyView) -> dict[str, Any]:
    from journeys.cli.json_fields import json_attributes, json_instant
    from journeys.schemas.lines import output_line

    row = view.row
    previous = None
    if row is not None and row.previous_ended_at is not None:
        previous = {
            "outcome": row.previous_outcome,
            "ended_at": json_instant(row.previous_ended_at),
            "total_penalty_micros": row.previous_total_penalty_micros,
        }
    return {
        "journey_id": view.journey_id,
        "partition": view.partition,
        "clock": json_instant(view.clock),
        "has_row": row is not None,
        "episode": json_attributes(row, _EPISODE) if row is not None and row.open else None,
        "previous_episode": previous,
        "abandonments": [output_line(record) for record in view.abandonments],
        "lifecycle": [output_line(record) for record in view.lifecycle],
    }


def _print_tables(view: JourneyView) -> None:
    from journeys.cli.screen import Screen

    screen = Screen()
    print_line(f"journey {view.journey_id}")
    screen.print(_row_table(view))
    if view.abandonments or view.lifecycle:
        screen.print(_history(view))


def _when(at: int | None) -> str:
    from journeys.schemas.instants import format_instant

    return "-" if at is None else format_instant(at)


def _row_table(view: JourneyView) -> Table:
    from journeys.cli.screen import new_table

    table = new_table("", "")
    row = view.row
    table.add_row("partition", f"{view.partition}, clock {_when(view.clock)}")
    if row is None:
        table.add_row("row", "none: never seen, or deleted since")
        return table
    table.add_row("episode", "open" if row.open else f"ended: {row.previous_outcome}")
    if row.open:
        _add_episode(table, row)
    if row.previous_ended_at is not None:
        table.add_row("previous episode", f"{row.previous_outcome} at {_when(row.previous_ended_at)}")
    return table


def _add_episode(table: Table, row: Row) -> None:
    from journeys.schemas.money import format_dollars

    table.add_row("user", row.user_id or "-")
    table.add_row("state", row.state)
    table.add_row("started", _when(row.started_at))
    table.add_row("last touchpoint", _when(row.last_touchpoint_at))
    table.add_row("segment", row.segment or "-")
    table.add_row("touchpoints", f"{row.touchpoint_count:,}, {row.journey_touchpoint_count:,} with earlier episodes")
    table.add_row("cost in dollars", format_dollars(row.total_cost_micros))
    rules = [f"inactivity by rule {row.inactivity_rule}"] if row.inactivity_rule is not None else []
    table.add_row("abandoned unless more comes", ", ".join([_when(row.deadline_at), *rules]))
    rules = [f"by rule {row.timeout_rule}"] if row.timeout_rule is not None else []
    table.add_row("timeout", ", ".join([_when(row.timeout_deadline_at), *rules]))
    table.add_row("policy", row.policy_version)


def _history(view: JourneyView) -> Table:
    from journeys.cli.screen import new_table
    from journeys.schemas.money import format_dollars

    events = [
        (
            abandonment.abandoned_at,
            f"abandoned: {abandonment.abandonment_reason}",
            f"penalty {format_dollars(abandonment.total_penalty_micros)} dollars",
        )
        for abandonment in view.abandonments
    ]
    for record in view.lifecycle:
        details = [
            record.refusal,
            record.note,
            None if record.touchpoint_id is None else f"touchpoint {record.touchpoint_id}",
            None if record.timeout_deadline_at is None else f"timeout {_when(record.timeout_deadline_at)}",
        ]
        events.append((record.occurred_at, record.kind, ", ".join(detail for detail in details if detail)))
    table = new_table("occurred at", "what", "", title="published")
    for at, what, detail in sorted(events, key=lambda event: event[0]):
        table.add_row(_when(at), what, detail)
    return table
