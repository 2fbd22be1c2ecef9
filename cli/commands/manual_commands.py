"""`journeys abandon` and `journeys extend`: manual commands on one journey."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import CHECK_FAILED, FINE
from journeys.cli.instant import instant
from journeys.cli.options import Json, Servers, settings_of
from journeys.cli.output import print_json, print_line
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
        help="When the command occurs; without it, now. Needed on a topic of simulated time.",
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
    reason: Annotated[
        Reason,
        typer.Option(metavar="REASON", help="One of " + ", ".join(REASONS) + "."),
    ] = ("MANUAL_TERMINATION"),
    bootstrap_servers: Servers = None,
    store: Store = None,
    at: At = None,
    requested_by: RequestedBy = None,
    note: Note = None,
    command_id: CommandId = None,
    wait: Wait = True,
    wait_seconds: WaitSeconds = 10.0,
    as_json: Json = False,
) -> None:
    """Abandon a journey by hand and wait for the worker's answer; exits with 1 if it refuses.

    A journey that is not open, or was abandoned meanwhile, is refused. Who asked, when and why is left on the lifecycle
    topic. With --store the file's own rule answers, at once; no manager may hold the file.
    """
    fields = {"journey_id": journey, "command": "abandon", "reason": reason, "note": note}
    _request(
        fields, command_id, requested_by, bootstrap_servers, store, at, wait_seconds if wait else None, as_json=as_json
    )


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
    as_json: Json = False,
) -> None:
    """Move the timeout of an open journey and wait for the worker's answer; exits with 1 if it refuses.

    The policy's cap on a journey (90 days) stands, and so does its inactivity threshold. Who asked, when and why is
    left on the lifecycle topic. With --store the file's own rule answers, at once; no manager may hold the file.
    """
    fields = {"journey_id": journey, "command": "extend", "days": days, "note": note}
    _request(
        fields, command_id, requested_by, bootstrap_servers, store, at, wait_seconds if wait else None, as_json=as_json
    )


def _request(
    fields: dict[str, Any],
    command_id: str | None,
    requested_by: str | None,
    servers: str | None,
    store: Path | None,
    at: int | None,
    wait_seconds: float | None,
    *,
    as_json: bool,
) -> None:
    import getpass
    import uuid

    from journeys.schemas.invalid import InvalidRecordError

    fields["command_id"] = command_id or str(uuid.uuid4())
    fields["requested_by"] = requested_by or getpass.getuser()
    try:
        if store is not None:
            answer: Answer | None = _of_store(store, fields, at, print_id=not as_json)
        else:
            answer = _of_workers(servers, fields, at, wait_seconds, print_id=not as_json)
    except InvalidRecordError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        print_json(_json(fields["command_id"], answer))
    elif answer is not None:
        print_line(answer.text)
    raise typer.Exit(FINE if answer is None else answer.exit_code)


def _json(command_id: str, answer: Answer | None) -> dict[str, Any]:
    from journeys.schemas.lines import output_line

    if answer is None:
        return {"command_id": command_id, "ok": None, "answer": None, "record": None}
    record = None if answer.record is None else output_line(answer.record)
    return {"command_id": command_id, "ok": answer.exit_code == FINE, "answer": answer.text, "record": record}


def _of_workers(
    servers: str | None, fields: dict[str, Any], at: int | None, wait_seconds: float | None, *, print_id: bool
) -> Answer | None:
    from journeys.cli.operation import run_operation
    from journeys.cli.request import request

    return run_operation(request(settings_of(bootstrap_servers=servers), fields, at, wait_seconds, print_id=print_id))


def _of_store(store: Path, fields: dict[str, Any], at: int | None, *, print_id: bool) -> Answer:
    from journeys.agents.inspect.audit import audit_of
    from journeys.cli.answer import Answer, NoInstantError, answer_of
    from journeys.clock import now_ms
    from journeys.schemas.lines import parse_line
    from journeys.schemas.records import JourneyCommand

    now = now_ms() if at is None else at
    command = parse_line({"kind": "command", **fields, "occurred_at": now})
    assert isinstance(command, JourneyCommand)
    file = open_store(store)
    if at is None and file.time_source() == "simulated":
        raise NoInstantError(str(store))
    record = file.request(command)
    if print_id:
        print_line(f"command {command.command_id}")
    file.leave_audit(audit_of(command))
    if record is None:
        return Answer("this command_id was given before, and does nothing again", CHECK_FAILED)
    return answer_of(record)
