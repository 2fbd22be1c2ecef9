"""The demonstration: sends a clickstream through a real Kafka and real workers, to be verified by a replay.

It ends everything that it starts (a broker with a temporary folder, worker processes).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self

from journeys.agents.demo.ecom import EcomMapping, touchpoints
from journeys.agents.demo.made_journeys import arrivals, merge
from journeys.agents.devserver import broker
from journeys.agents.history.importer import ImportReport, import_history
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.schemas.instants import DAY_MS, parse_instant
from journeys.schemas.lines import parse_line
from journeys.schemas.records import InputRecord, JourneyRecord
from journeys.schemas.topics import JOURNEY_EVENTS

_STOP_SECONDS: Final = 15.0
_KILL_SECONDS: Final = 5.0
_PACE_STEP_SECONDS: Final = 0.02
_SPAN_MS: Final = 178 * DAY_MS  # what the clickstream spans; for the pace only


class DemonstrationError(OperationError):
    """The demonstration can't go on."""


@dataclass(slots=True)
class Progress:
    """Progress of the input."""

    journeys: int = 0
    records: int = 0
    clock: int | None = None
    """Event time, epoch milliseconds."""
    is_written: bool = False


class Demonstration:
    """A broker and workers of its own; a context manager whose exit stops them and deletes their files."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.progress = Progress()
        self._say = say
        self._folder = tempfile.TemporaryDirectory(prefix="journeys-demo-")
        self._settings = settings
        self._broker: broker.Broker | None = None
        self._workers: list[subprocess.Popen[bytes]] = []

    @property
    def settings(self) -> Settings:
        """Settings that name the demonstration's own Kafka."""
        return self._settings

    @property
    def folder(self) -> Path:
        """Temporary folder, with the logs of the workers."""
        return Path(self._folder.name)

    def __enter__(self) -> Self:
        """Start Kafka. Raises BrokerUnavailable."""
        try:
            self._broker = broker.start(self.folder / "kafka", say=self._say)
        except BaseException:
            self._folder.cleanup()
            raise
        self._settings = self._settings.model_copy(
            update={"bootstrap_servers": self._broker.bootstrap_servers, "data_dir": self.folder}
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Stop workers, then Kafka; delete the folder."""
        for process in self._workers:
            self.stop_worker(process)
        if self._broker is not None and self._broker.kind != "configured":
            broker.discard(self.folder / "kafka")
        self._folder.cleanup()

    async def make_topics(self) -> None:
        """Create the topics. Raises DemonstrationError if the input topic is not empty."""
        await create_topics(self._settings)
        async with open_log(self._settings, JOURNEY_EVENTS, catalog=None) as log:
            if any(log.end_offsets.values()):
                raise DemonstrationError(
                    f"{JOURNEY_EVENTS} at {self._settings.bootstrap_servers} is not empty; "
                    "unset JOURNEYS_BOOTSTRAP_SERVERS and the demo starts a Kafka of its own"
                )

    def start_worker(self, worker_id: str) -> subprocess.Popen[bytes]:
        """Start `journeys worker` as a process; its log is in `folder`."""
        servers = self._settings.bootstrap_servers or ""
        command = [sys.executable, "-m", "journeys.cli", "worker", "-b", servers, "--worker-id", worker_id]
        command += ["--application-id", self._settings.application_id]
        with (self.folder / f"{worker_id}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  (our own program)
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ
                | {"JOURNEYS_DATA_DIR": str(self.folder), "JOURNEYS_TOPIC_PREFIX": self._settings.topic_prefix},
            )
        self._workers.append(process)
        return process

    def stop_worker(self, process: subprocess.Popen[bytes]) -> None:
        """Stop a worker: by SIGTERM, after 15 s by SIGKILL."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_KILL_SECONDS)
        if process in self._workers:
            self._workers.remove(process)

    def check_workers(self, *, has_time: bool) -> None:
        """Raise DemonstrationError, with the last lines of all logs, if a worker has ended or time is up."""
        codes = [process.returncode for process in self._workers if process.poll() is not None]
        if has_time and not codes:
            return
        what = f"a worker ended with exit code {codes[0]}" if codes else "the workers do not finish in time"
        logs = (line for log in sorted(self.folder.glob("*.log")) for line in log.read_text().splitlines()[-10:])
        raise DemonstrationError("\n".join((what, *logs)))

    async def write_history(self, mapping: EcomMapping, *, made: int, seed: int, seconds: float) -> ImportReport:
        """Import the clickstream and `made` generated journeys, over about `seconds` (0: as fast as possible)."""
        lines = touchpoints(mapping)
        first = next(lines)
        begin_at = parse_instant(first["occurred_at"])
        merged = merge(arrivals(seed, begin_at, made), chain([first], lines))
        report = await import_history(self._settings, self._paced(merged, begin_at, seconds))
        self.progress.clock = report.clock
        self.progress.is_written = True
        return report

    def _paced(
        self, lines: Iterator[dict[str, Any]], begin_at: int, seconds: float
    ) -> Iterator[tuple[int, InputRecord]]:
        """Yield records with their line numbers at the given pace, and update `progress`."""
        seen: set[str] = set()
        began = time.monotonic()
        for number, line in enumerate(lines, start=1):
            record = parse_line(line)
            if not isinstance(record, JourneyRecord):
                continue  # neither the clickstream nor the generated journeys hold one
            seen.add(record.journey_id)
            clock = max(self.progress.clock or begin_at, record.occurred_at)
            self.progress = replace(self.progress, journeys=len(seen), records=number, clock=clock)
            ahead = seconds * (clock - begin_at) / _SPAN_MS - (time.monotonic() - began)
            if ahead > _PACE_STEP_SECONDS:
                time.sleep(_PACE_STEP_SECONDS)
            yield number, record

    async def is_applied(self) -> bool:
        """Whether workers have applied and committed all that the input topic holds."""
        async with open_log(self._settings, JOURNEY_EVENTS, catalog=None) as log:
            lag = await group_lag(self._settings, log.end_offsets)
        return not any(behind is None or behind > 0 for behind in lag.values())
