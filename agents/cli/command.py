"""`journeys abandon` and `journeys extend`: commands on one journey, by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agents.cli.command_line import FINE
from agents.cli.instant import instant
from agents.cli.options import Servers, settings_of
from schemas.records import REASONS, Reason

Journey = Annotated[str, typer.Argument(metavar="JOURNEY", help="Its journey_id.")]
At = Annotated[
    int | None,
    typer.Option(
        parser=instant,
        metavar="INSTANT",
        help="When the command occurs; without it now, which a topic of simulated time does not know.",
    ),
]
RequestedBy = Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; without it, you.")]
Note = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for those who read the answer later.")]
CommandId = Annotated[
    str | None, typer.Option(metavar="ID", help="Its id; a second command of the same id does nothing.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to wait for the answer.")]
WaitSeconds = Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait at most.")]


def abandon(
    journey: Journey,
    *,
    reason: Annotated[Reason, typer.Option(metavar="REASON", help="One of " + ", ".join(REASONS) + ".")] = (
        "MANUAL_TERMINATION"
    ),
    bootstrap_servers: Servers = None,
    at: At = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    command_id: CommandId = None,
    wait: Wait = True,
    wait_seconds: WaitSeconds = 10.0,
) -> None:
    """Abandon a journey by hand and wait for the worker's answer; exits with 1 if it refuses.

    A journey that is not open, or was abandoned meanwhile, is refused.
    """
    said = {"journey_id": journey, "command": "abandon", "reason": reason, "note": note}
    _request(said, command_id, requested_by, bootstrap_servers, at, wait_seconds if wait else None)


def extend(
    journey: Journey,
    *,
    days: Annotated[str, typer.Option(metavar="DAYS", help="By how many days; parts of a day are fine.")],
    bootstrap_servers: Servers = None,
    at: At = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    command_id: CommandId = None,
    wait: Wait = True,
    wait_seconds: WaitSeconds = 10.0,
) -> None:
    """Move the timeout of an open journey and wait for the worker's answer; exits with 1 if it refuses.

    The policy's cap on a journey (90 days) stands, and so does its inactivity threshold.
    """
    said = {"journey_id": journey, "command": "extend", "days": days, "note": note}
    _request(said, command_id, requested_by, bootstrap_servers, at, wait_seconds if wait else None)


def _request(
    said: dict[str, Any],
    command_id: str | None,
    requested_by: str | None,
    servers: str | None,
    at: int | None,
    wait_seconds: float | None,
) -> None:
    import getpass
    import uuid

    from agents.cli.operation import run_operation
    from agents.cli.request import ask
    from schemas.invalid import InvalidRecordError

    said["command_id"] = command_id or str(uuid.uuid4())
    said["requested_by"] = requested_by or getpass.getuser()
    settings = settings_of(bootstrap_servers=servers)
    try:
        answer = run_operation(ask(settings, said, at, wait_seconds))
    except InvalidRecordError as error:
        raise typer.BadParameter(str(error)) from None
    if answer is not None:
        typer.echo(answer.text)
    raise typer.Exit(FINE if answer is None else answer.exit_code)
