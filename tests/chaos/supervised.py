"""Workers under a supervisor while something happens to them, and the peace afterwards in which all is applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from journeys.agents.kafka.connection import KafkaUnreachableError
from journeys.agents.kafka.log_reader import ReaderStalledError, open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.chaos.schedule import RESIDENTS
from tests.chaos.supervisor import Supervisor
from tests.chaos.traces import applied_offsets

_APPLIED_SECONDS: Final = 180.0
FIRST_RESTORE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


async def supervised(supervisor: Supervisor, settings: Settings, play: Coroutine[Any, Any, None]) -> None:
    """Keep the residents running while `play` runs, then stop them; at the end all input is applied.

    Raises WorkerFailedError, and what `play` raises.
    """
    for name in RESIDENTS:
        supervisor.start(name)
    watching, playing = asyncio.create_task(supervisor.watch()), asyncio.create_task(play)
    try:
        await asyncio.wait({watching, playing}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        playing.result()
    finally:
        for task in (watching, playing):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
    await supervisor.stop_all()
    # What was punctuated while they stopped is still to be applied, and then the log must rest.
    supervisor.start_quiet(RESIDENTS[0])
    await wait_until_applied(settings, supervisor)
    await supervisor.stop_all()


async def wait_until_restored(supervisor: Supervisor) -> None:
    """Wait until each resident has got its first partitions."""
    await until(
        lambda: supervisor.lines("restored: partitions") >= len(RESIDENTS),
        FIRST_RESTORE_SECONDS,
        lambda: f"not all workers got partitions\n{supervisor.logs()}",
    )


async def wait_until_applied(settings: Settings, supervisor: Supervisor) -> None:
    """Wait until each changelog partition ends in a partition row that stands for all of its input."""
    deadline = monotonic() + _APPLIED_SECONDS
    waiting = None
    while waiting is None or waiting:
        with suppress(KafkaUnreachableError, ReaderStalledError):
            waiting = await _unapplied(settings)
        assert monotonic() < deadline, f"partitions {waiting} are not applied to their ends\n{supervisor.logs()}"
        await asyncio.sleep(_POLL_SECONDS)


async def until(holds: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Poll a condition until it holds; fail with `otherwise` after so many seconds."""
    deadline = monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert monotonic() < deadline, f"{otherwise()} within {seconds:g} s"
        await asyncio.sleep(_POLL_SECONDS)


async def _unapplied(settings: Settings) -> list[int]:
    """Input partitions with records that no partition row stands for; punctuations keep coming on live time."""
    async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
        ends = dict(log.end_offsets)
    applied = await applied_offsets(settings)
    return [number for number, end in ends.items() if applied[number] < end]
