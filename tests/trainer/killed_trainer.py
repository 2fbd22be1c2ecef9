"""A trainer for kill tests: registers short journeys, abandons some, and writes down the acknowledged calls."""

import asyncio
import os
from pathlib import Path

from training_orchestrator import JourneyTimeoutManager, TimeoutConfiguration

SECOND_DAYS = 1 / 86_400
QUICK = TimeoutConfiguration(grace_seconds=0)
_AT_A_TIME = 8


def work(store: str, acknowledged: str, run: int) -> None:
    """Go on until killed. A line is written to `acknowledged` only when the call has returned."""
    asyncio.run(_work(Path(store), Path(acknowledged), run))


async def _work(store: Path, acknowledged: Path, run: int) -> None:
    notes = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with JourneyTimeoutManager(QUICK, store_path=store) as manager:
        os.write(notes, b"started\n")

        async def one(number: int) -> None:
            name = f"run-{run}-{number}"
            await manager.register_journey(name, timeout_days=(0.05 + number % 7 / 10) * SECOND_DAYS)
            os.write(notes, f"registered {name}\n".encode())
            if number % 3 == 0:
                await manager.record_touchpoint(name, cost=1, touchpoint_id=name)
            if number % 5 == 0:
                await asyncio.gather(manager.mark_abandoned(name), return_exceptions=True)
                os.write(notes, f"abandoned {name}\n".encode())

        number = 0
        while True:
            await asyncio.gather(*(one(number + each) for each in range(_AT_A_TIME)))
            number += _AT_A_TIME
