"""One run of one system: a Kafka of its own, the input written before it starts, its process watched from outside.

The window ends with the last trace of work in the changelog, whose records bear the time (ms) at which they were
handed to the producer, and begins with the first one, or when the worker could begin; CPU time is that of the whole
process within the window; a run counts only if the outputs are right.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from benchmarks.process_usage import ProcessUsage
from benchmarks.system import System
from journeys.agents.devserver import broker
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.records import Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS

ROOT = Path(__file__).parent.parent
_LIMIT_SECONDS = 300.0
_POLL_SECONDS = 0.5
_STOP_SECONDS = 30.0
_OUTPUT_SECONDS = 20.0
_LOG_BYTES = 4_000


class RunFailedError(RuntimeError):
    """A run that gives no figures: the system ended, took too long, or published something wrong."""


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one verified run. `load_average` is the machine's over a minute, before the process starts."""

    system: str
    touchpoints: int
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    load_average: float

    @property
    def events_per_s(self) -> float:
        """Touchpoints by wall time."""
        return self.touchpoints / self.seconds

    @property
    def events_per_cpu_s(self) -> float:
        """Touchpoints by CPU time, user and system."""
        return self.touchpoints / self.cpu_seconds


def measure(system: System, touchpoints: Sequence[Touchpoint]) -> Run:
    """Run a system on fresh topics. Raises RunFailedError, BrokerUnavailable."""
    with fresh_kafka() as (servers, folder):
        settings = Settings(_env_file=None, bootstrap_servers=servers, application_id=system.application_id)
        asyncio.run(system.write(settings, touchpoints))
        load_average = os.getloadavg()[0]
        log_path = folder / "system.log"
        with running(system.command, servers, folder, log_path) as process, ProcessUsage(process.pid) as usage:
            try:
                asyncio.run(wait_until_processed(settings, process))
                peak_rss_mb = usage.peak_rss_mb()
                wrong = asyncio.run(_disagreement(system, settings, touchpoints))
                window = asyncio.run(system.window(settings, [log_path]))
            except RunFailedError as error:
                raise RunFailedError(f"{system.name} {error}; its log ends:\n{_tail(log_path)}") from None
        if wrong:
            raise RunFailedError(f"{system.name} published something wrong: {wrong}")
        cpu_seconds = usage.cpu_seconds_at(window.ends_at) - usage.cpu_seconds_at(window.begins_at)
        return Run(
            system.name,
            window.touchpoints,
            window.ends_at - window.begins_at,
            cpu_seconds,
            peak_rss_mb,
            load_average,
        )


@contextmanager
def fresh_kafka() -> Iterator[tuple[str, Path]]:
    """Give the servers of a Kafka without any topic, and a folder; both are gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="journeys-bench-"))
    directory = folder / "kafka"
    try:
        yield broker.start(directory).bootstrap_servers, folder
    finally:
        broker.discard(directory)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    command: Sequence[str], servers: str, folder: Path, log_path: Path, more: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a system with settings as they are by default but for `more` of the environment, and see that it ends."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    environment = inherited | {"PYTHONPATH": str(ROOT), "JOURNEYS_BOOTSTRAP_SERVERS": servers} | dict(more or {})
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def wait_until_processed(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    """Return when the group has committed all of the input."""
    async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
        ends = {number: end for number, end in log.end_offsets.items() if end > 0}
    deadline = monotonic() + _LIMIT_SECONDS
    while any(behind != 0 for behind in (await group_lag(settings, ends)).values()):
        if process.poll() is not None:
            raise RunFailedError(f"ended with exit code {process.returncode}")
        if monotonic() > deadline:
            raise RunFailedError(f"has not processed all within {_LIMIT_SECONDS:g} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _disagreement(system: System, settings: Settings, touchpoints: Sequence[Touchpoint]) -> str:
    """What is wrong with the outputs; what a timer still brings is waited for."""
    deadline = monotonic() + _OUTPUT_SECONDS
    while True:
        wrong = await system.disagreement(settings, touchpoints)
        if not wrong or monotonic() > deadline:
            return wrong
        await asyncio.sleep(_POLL_SECONDS)


def _tail(path: Path) -> str:
    return path.read_bytes()[-_LOG_BYTES:].decode(errors="replace")
