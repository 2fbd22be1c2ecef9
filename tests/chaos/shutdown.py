"""Stops of a worker under load: how long one takes, and what it leaves behind."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from tests.chaos.load import Load
from tests.chaos.traces import applied_offsets
from tests.live.worker_process import WorkerProcess, Workers

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_RATE: Final = 6_000
# So far behind, a worker that has begun to work is in the middle of a batch.
_AHEAD: Final = 40_000
_INACTIVITY_SECONDS: Final = 10
_POLL_SECONDS: Final = 0.05
_WORK_SECONDS: Final = 60.0


class Stop(NamedTuple):
    """One stop: seconds from the signal to the end of the process."""

    sign: str
    seconds: float
    exit_code: int
    uncommitted: dict[int, int | None]
    """By partition, offsets that are applied and stored but not committed."""
    members_left: int
    """Members that the group still has: none, if the worker has left it."""


@asynccontextmanager
async def _load_running(settings: Settings) -> AsyncIterator[Load]:
    """Topics, and a steady load on them."""
    await create_topics(settings)
    load = Load(settings, 1, _RATE, _INACTIVITY_SECONDS, 600, _AHEAD)
    await load.put_policy_in_force()
    async with load.running():
        deadline = monotonic() + _WORK_SECONDS
        while load.touchpoints < _AHEAD:
            assert monotonic() < deadline, f"only {load.touchpoints} touchpoints were written"
            await asyncio.sleep(_POLL_SECONDS)
        yield load


async def measure_stops(folder: Path, settings: Settings, count: int) -> list[Stop]:
    """Start a worker under load and stop it, `count` times, with SIGTERM and SIGINT in turns."""
    stops: list[Stop] = []
    with Workers(folder) as workers:
        async with _load_running(settings):
            for number in range(count):
                worker = workers.start(settings)
                await _wait_until_at_work(settings, worker)
                stops.append(await _stop(settings, worker, _SIGNALS[number % len(_SIGNALS)]))
    return stops


async def _wait_until_at_work(settings: Settings, worker: WorkerProcess) -> None:
    """Wait until a worker that has just started has applied something."""
    before = await applied_offsets(settings)
    deadline = monotonic() + _WORK_SECONDS
    while await applied_offsets(settings) == before:
        worker.require_running()
        assert monotonic() < deadline, worker.told("applied nothing")
        await asyncio.sleep(_POLL_SECONDS)


async def _stop(settings: Settings, worker: WorkerProcess, sign: signal.Signals) -> Stop:
    began = monotonic()
    worker.send(sign)
    code = await asyncio.to_thread(worker.exit_code)
    seconds = monotonic() - began
    uncommitted = await group_lag(settings, await applied_offsets(settings))
    async with admin(settings) as client:
        (described,) = await client.describe_consumer_groups([settings.application_id])
        ((_, _, _, _, _, members, *_),) = described.groups
    return Stop(sign.name, round(seconds, 2), code, uncommitted, len(members))
