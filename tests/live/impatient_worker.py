"""A worker whose guards look five times a second and have ten seconds of patience; FAULT says what is wrong with it.

Started as a program, with the settings of its environment.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Any

from journeys.agents.worker.flusher import Flusher
from journeys.agents.worker.guards import loop_guard, patience
from journeys.agents.worker.journey_agent import JourneyAgent
from journeys.agents.worker.punctuator import Punctuator
from journeys.agents.worker.transport.batch_transport import BatchConsumer
from journeys.cli.main import app

_fetch = BatchConsumer._getmany


async def _fetch_no_changelog(
    consumer: BatchConsumer,
    active_partitions: Any,
    timeout: float,  # noqa: ASYNC109  (Faust's signature)
) -> Mapping[Any, list[Any]]:
    return await _fetch(consumer, {tp for tp in active_partitions if tp.topic == consumer.app.input_topic}, timeout)


async def _wait_for_ever(_: Any) -> None:
    await asyncio.Event().wait()


_send_batch = Flusher._send_batch


async def _send_no_output(flusher: Flusher, topic: str, *more: Any) -> tuple[int, int]:
    if not topic.endswith("-changelog"):
        await asyncio.Event().wait()
    return await _send_batch(flusher, topic, *more)


async def _never_come_back(_agent: JourneyAgent, _event: Any) -> None:
    time.sleep(3_600)  # noqa: ASYNC251  (that it blocks the loop is what it is for)


def _break(fault: str) -> None:
    match fault:
        case "restore without end":
            BatchConsumer._getmany = _fetch_no_changelog
        case "flush without end":
            Flusher._send_batch = _send_no_output
        case "dead timer":
            Punctuator._punctuate_all = _wait_for_ever
        case "call without end":
            JourneyAgent._handle = _never_come_back
        case _:
            assert not fault, fault


if __name__ == "__main__":
    patience.CHECK_EVERY_SECONDS = 0.2
    patience.STUCK_AFTER_SECONDS = 10.0
    loop_guard._TICK_SECONDS = 0.2
    _break(os.environ.get("FAULT", ""))
    app()
