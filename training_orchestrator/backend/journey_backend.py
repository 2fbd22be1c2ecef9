"""The protocol of a manager's backends: embedded (the rule in this process) and connected (workers behind Kafka)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle, JourneyRecord
    from journeys.streams.rule.policy import Policy
    from journeys.streams.rule.row import Row
    from training_orchestrator.api.figures import Figures


class JourneyBackend(Protocol):
    """Embedded or connected. Every method may raise StoreUnavailableError, and then has changed nothing."""

    mode: str
    """`embedded` or `connected`."""

    needs_its_loop: bool
    """Whether all calls must be made in the event loop of `open`."""

    @property
    def fault(self) -> str | None:
        """Why the last access to the store failed; None if it did not."""

    async def open(self) -> None:
        """Start: embedded, restore the state from the file; connected, follow the output topics."""

    async def close(self) -> None:
        """Stop; acknowledged records stay."""

    async def write(self, records: Sequence[JourneyRecord]) -> None:
        """Validate and append registrations and touchpoints, all or none; durable when this returns.

        Raises InvalidRecordError.
        """

    async def request(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle:
        """Validate and append a command and give its answer: the abandonment, `extended` or `refused`.

        Raises InvalidRecordError, AnswerOutstandingError.
        """

    async def take_timed_out(self) -> list[JourneyAbandoned]:
        """Abandonments by deadline detected since `open`, each once, in the order in which they fired."""

    async def row(self, journey_id: str) -> Row | None:
        """Present row of a journey; None for an unknown one."""

    async def abandonments_since(self, at: int) -> list[JourneyAbandoned]:
        """Abandonments detected at `at` (ms) or later, each once."""

    async def clean_up(self) -> int | None:
        """Delete journeys past cleanup now and give their number; None where workers do it by themselves."""

    async def policy(self) -> Policy:
        """The policy in force."""

    async def figures(self) -> Figures:
        """Counts and figures of the journeys."""
