"""The check that the view Trust runs: what was published or stored, next to a replay of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias

from journeys.agents.verify.output_comparison import TopicComparison
from journeys.clock import now_ms
from journeys.schemas.expected_error import ExpectedError


class Compared(NamedTuple):
    """One line of a check: outputs of a topic or rows of a kind, by how they compare."""

    what: str
    equal: int
    missing: int
    extra: int
    different: int


class Checked(NamedTuple):
    """Result of a check; `note` is a sentence beside it."""

    ok: bool
    lines: list[Compared]
    note: str | None = None


Check: TypeAlias = Callable[[], Awaitable[Checked]]


class LastCheck:
    """Runs one check at a time, and keeps the result of the last."""

    def __init__(self, check: Check, command: str) -> None:
        """`command` does the same on a command line."""
        self.command = command
        self.result: Checked | None = None
        self.fault: str | None = None
        self.ended_at: int | None = None
        self._check = check
        self._running: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether one is under way."""
        return self._running is not None and not self._running.done()

    def start(self) -> None:
        """Begin a check unless one is under way."""
        if not self.is_running:
            self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            self.result, self.fault = await self._check(), None
        except ExpectedError as error:
            self.fault = str(error)
        self.ended_at = now_ms()


def compared_topics(topics: Sequence[TopicComparison]) -> list[Compared]:
    """Lines of output topics."""
    return [Compared(one.topic, one.equal, one.missing, one.extra, one.different) for one in topics]
