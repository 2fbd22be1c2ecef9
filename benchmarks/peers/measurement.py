"""One run of one system: a Kafka of its own, the input written before it starts, its processes watched from outside.

A run counts only if what the system published is what the pure core says.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from benchmarks.measure import Run, RunFailedError, running
from benchmarks.peers.assignment import assignment
from benchmarks.peers.measured_kafka import measured_kafka
from benchmarks.peers.peer import Peer
from benchmarks.peers.reference import Reference, published_abandonments
from benchmarks.peers.touchpoint_log import TouchpointLog
from benchmarks.peers.trace import LOG
from benchmarks.process_usage import ProcessUsage
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings

_LIMIT_SECONDS: Final = 900.0
_OUTPUT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 1.0  # asking costs time of the cores that are being measured
_LOG_BYTES: Final = 4_000


@dataclass(frozen=True, slots=True)
class _Started:
    """One process of a system: what it costs, and its folder."""

    process: subprocess.Popen[bytes]
    usage: ProcessUsage
    folder: Path


def measure(peer: Peer, log: TouchpointLog, reference: Reference) -> Run:
    """Run a system on fresh topics. Raises RunFailedError, BrokerUnavailable."""
    with measured_kafka() as (servers, folder):
        settings = Settings(_env_file=None, bootstrap_servers=servers, application_id=peer.application_id)
        asyncio.run(_write(settings, log, punctuated=peer.punctuated))
        load_average = os.getloadavg()[0]
        with _started(peer, log, servers, folder) as started:
            try:
                asyncio.run(_wait_until_done(peer, settings, log, started))
                # Memory is looked at first: what follows takes a while, in which it may still grow.
                peak_rss_mb = sum(one.usage.peak_rss_mb() for one in started)
                asyncio.run(_require_agreement(settings, reference))
                window = asyncio.run(peer.trace.window(settings, [one.folder for one in started]))
                for one in started:
                    one.usage.require_no_children()
            except RunFailedError as error:
                said = "\n".join(_tail(one.folder / LOG) for one in started)
                raise RunFailedError(f"{peer.name} {error}; its log ends:\n{said}") from None
        cpu_seconds = sum(
            one.usage.cpu_seconds_at(window.ends_at) - one.usage.cpu_seconds_at(window.begins_at) for one in started
        )
        seconds = window.ends_at - window.begins_at
        return Run(peer.name, window.touchpoints, seconds, cpu_seconds, peak_rss_mb, load_average)


async def _write(settings: Settings, log: TouchpointLog, *, punctuated: bool) -> None:
    await create_topics(settings)
    await log.write(settings, punctuated=punctuated)


@contextmanager
def _started(peer: Peer, log: TouchpointLog, servers: str, folder: Path) -> Iterator[list[_Started]]:
    """Start every process of a system, and end them all."""
    with ExitStack() as stack:
        started = []
        for number, command in enumerate(peer.commands, start=1):
            own = folder / f"process-{number}"
            own.mkdir()
            if peer.prepare is not None:
                peer.prepare(own)
            environment = dict(peer.environment) | assignment(log.touchpoints, own)
            process = stack.enter_context(running(command, servers, own, own / LOG, environment))
            started.append(_Started(process, stack.enter_context(ProcessUsage(process.pid)), own))
        yield started


async def _wait_until_done(peer: Peer, settings: Settings, log: TouchpointLog, started: Sequence[_Started]) -> None:
    end_offsets = log.end_offsets(punctuated=peer.punctuated)
    deadline = monotonic() + _LIMIT_SECONDS
    while not await peer.trace.is_done(settings, started[0].folder, end_offsets):
        for one in started:
            if one.process.poll() is not None:
                raise RunFailedError(f"ended with exit code {one.process.returncode}")
        if monotonic() > deadline:
            raise RunFailedError(f"has not processed all within {_LIMIT_SECONDS:g} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _require_agreement(settings: Settings, reference: Reference) -> None:
    """Raise RunFailedError unless the outputs are right; what a timer still brings is waited for."""
    deadline = monotonic() + _OUTPUT_SECONDS
    while wrong := reference.disagreement(await published_abandonments(settings)):
        if monotonic() > deadline:
            raise RunFailedError(f"published something wrong: {wrong}")
        await asyncio.sleep(_POLL_SECONDS)


def _tail(path: Path) -> str:
    return path.read_bytes()[-_LOG_BYTES:].decode(errors="replace")
