"""The store of an embedded manager, as commands with --store work on it.

The rule over a file is part of `training_orchestrator`: it is imported by its name when a command needs it
(decision 0088).
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

if TYPE_CHECKING:
    from journeys.agents.inspect.audit import Action
    from journeys.agents.inspect.journey_view import JourneyView
    from journeys.agents.verify.store_report import StoreReport
    from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle

Store = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="FILE", help="Work on the file of an embedded manager (training.sqlite3), not on Kafka."
    ),
]
RequestedBy = Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; without it, you.")]
Note = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for those who read the audit later.")]


class StoreCommands(Protocol):
    """Reads and commands on one store. Every method may raise StoreUnavailableError."""

    def time_source(self) -> str:
        """`live` or `simulated`."""

    def view(self, journey_id: str) -> JourneyView:
        """What is known of a journey; a manager may be at work meanwhile."""

    def request(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle | None:
        """Append a command and apply it; None where its command_id was given before. Raises StoreInUseError."""

    def check(self, shown: int) -> StoreReport:
        """Compare stored rows and outputs with what a replay makes; a manager may be at work meanwhile."""

    def leave_audit(self, record: JourneyLifecycle) -> None:
        """Keep an audit record in the store's lifecycle log."""


def audit(action: Action, journey_id: str, requested_by: str | None, note: str | None) -> JourneyLifecycle:
    """Audit record of an action that is done now. Raises typer.BadParameter for a text that is too long."""
    from journeys.agents.inspect.audit import audit_record
    from journeys.schemas.invalid import InvalidRecordError

    try:
        return audit_record(action, journey_id, requested_by, note)
    except InvalidRecordError as error:
        raise typer.BadParameter(str(error)) from None


def open_store(path: Path) -> StoreCommands:
    """The operations on a store."""
    commands: StoreCommands = import_module("training_orchestrator.store.store_commands").StoreCommands(path)
    return commands
