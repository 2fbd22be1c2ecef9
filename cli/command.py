"""`journeys abandon` and `journeys extend`: commands on one journey, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import CHECK_FAILED, FINE
from journeys.cli.instant import instant
from journeys.cli.options import Servers, settings_of
from journeys.cli.store import Note, RequestedBy, Store, open_store
from journeys.schemas.records import REASONS, Reason

if TYPE_CHECKING:
    from journeys.cli.answer import Answer

Journey = Annotated[str, typer.Argument(metavar="JOURNEY", help="Its journey_id.")]
At = Annotated[
    int | None,
    typer.Option(
        parser=instant,
        metavar="INSTANT",
        help="When the command occurs; without it now, which a topic of simulated time does not know.",
    ),
]
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
    store: Store = None,
    at: At = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    command_id: CommandId = None,
    wait: Wait = True,
    wait_seconds: WaitSeconds = 10.0,
) -> None:
    """Abandon a journey by hand and wait for the worker's answer; exits with 1 if it refuses.

    A journey that is not open, or was abandoned meanwhile, is refused. Who asked, when and why is left on the lifecycle
    topic. With --store the file's own rule answers, at once; no manager may hold the file.
    """
    said = {"journey_id": journey, "command": "abandon", "reason": reason, "note": note}
    _request(said, command_id, requested_by, bootstrap_servers, store, at, wait_seconds if wait else None)


def extend(
    journey: Journey,
    *,
    days: Annotated[str, typer.Option(metavar="DAYS", help="By how many days; parts of a day are fine.")],
    bootstrap_servers: Servers = None,
    store: Store = None,
    at: At = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    command_id: CommandId = None,
    wait: Wait = True,
    wait_seconds: WaitSeconds = 10.0,
) -> None:
    """Move the timeout of an open journey and wait for the worker's answer; exits with 1 if it refuses.

    The policy's cap on a journey (90 days) stands, and so does its inactivity threshold. Who asked, when and why is
    left on the lifecycle topic. With --store the file's own rule answers, at once; no manager may hold the file.
    """
    said = {"journey_id": journey, "command": "extend", "days": days, "note": note}
    _request(said, command_id, requested_by, bootstrap_servers, store, at, wait_seconds if wait else None)


def _request(
    said: dict[str, Any],
    command_id: str | None,
    requested_by: str | None,
    servers: str | None,
    store: Path | None,
    at: int | None,
    wait_seconds: float | None,
) -> None:
    import getpass
    import uuid

    from journeys.schemas.invalid import InvalidRecordError

    said["command_id"] = command_id or str(uuid.uuid4())
    said["requested_by"] = requested_by or getpass.getuser()
    try:
        answer = _of_store(store, said, at) if store is not None else _of_workers(servers, said, at, wait_seconds)
    except InvalidRecordError as error:
        raise typer.BadParameter(str(error)) from None
    if answer is not None:
        typer.echo(answer.text)
    raise typer.Exit(FINE if answer is None else answer.exit_code)


def _of_workers(servers: str | None, said: dict[str, Any], at: int | None, wait_seconds: float | None) -> Answer | None:
    from journeys.cli.operation import run_operation
    from journeys.cli.request import ask

    return run_operation(ask(settings_of(bootstrap_servers=servers), said, at, wait_seconds))


def _of_store(store: Path, said: dict[str, Any], at: int | None) -> Answer:
    import time

    from journeys.agents.inspect.audit import audit_of
    from journeys.cli.answer import Answer, NoInstantError, told
    from journeys.schemas.lines import parse_line
    from journeys.schemas.records import JourneyCommand

    now = time.time_ns() // 1_000_000 if at is None else at
    command = parse_line({"kind": "command", **said, "occurred_at": now})
    assert isinstance(command, JourneyCommand)
    hands = open_store(store)
    if at is None and hands.time_source() == "simulated":
        raise NoInstantError(str(store))
    answer = hands.request(command)
    typer.echo(f"command {command.command_id}")
    hands.leave_audit(audit_of(command))
    if answer is None:
        return Answer("this command_id was given before, and does nothing again", CHECK_FAILED)
    return told(answer)
