"""The store of an embedded manager, as commands with --store work on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from journeys.agents.inspect.audit import Action
    from journeys.schemas.records import JourneyLifecycle
    from training_orchestrator.store.store_commands import StoreCommands

Store = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="FILE", help="Work on the file of an embedded manager (training.sqlite3), not on Kafka."
    ),
]
RequestedBy = Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; without it, you.")]
Note = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for those who read the audit later.")]


def audit(action: Action, journey_id: str, requested_by: str | None, note: str | None) -> JourneyLifecycle:
    """Audit record of an action that is done now. Raises typer.BadParameter for a text that is too long."""
    from journeys.agents.inspect.audit import audit_record
    from journeys.schemas.invalid import InvalidRecordError

    try:
        return audit_record(action, journey_id, requested_by, note)
    except InvalidRecordError as error:
        raise typer.BadParameter(str(error)) from None


def open_store(path: Path) -> StoreCommands:
    """The operations on a store; each raises StoreUnavailableError where the file can't be used."""
    from training_orchestrator.store.store_commands import StoreCommands

    return StoreCommands(path)
