"""`journeys sink bigquery` as a process of a test, and records for it to read."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import count
from os import environ
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
from aiokafka import AIOKafkaProducer

from journeys.agents.bigquery.client import Warehouse
from journeys.agents.bigquery.connector import DEAD_LETTERS
from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_ABANDONMENTS

from .group_offsets import committed
from .next_version import ROOT, environment_of

SECONDS = 120.0
_GROUPS = count(1)


class SinkProcess:
    """`journeys sink bigquery` as a process that may be killed."""

    def __init__(
        self,
        settings: Settings,
        house: Warehouse,
        folder: Path,
        *more: str,
        group: str | None = None,
        root: Path = ROOT,
        speed: int = 1,
    ) -> None:
        """Start nothing yet. `more` are arguments, `group` is that of another one, `root` where the program is.

        `speed`: how many times as fast the sink's own clocks go between two calls of `change_speed`.
        """
        self.log_path = folder / "sink.log"
        self.group = group or f"sink-{next(_GROUPS)}"
        self._settings = settings
        program = ["journeys.cli"] if speed == 1 else ["tests.bigquery.fast_clock", str(speed), "journeys.cli"]
        self._command = [sys.executable, "-m", *program, "sink", "bigquery", "--group", self.group, *more]
        inherited = {name: value for name, value in environ.items() if not name.startswith("JOURNEYS_")}
        self._environment = inherited | {
            "PYTHONPATH": str(root),
            "JOURNEYS_BOOTSTRAP_SERVERS": str(settings.bootstrap_servers),
            # So long a new one waits for the partitions of a killed one.
            "JOURNEYS_SESSION_TIMEOUT_SECONDS": str(speed),
            "JOURNEYS_FREEZE_LIMIT_SECONDS": "0.5",
        }
        self._environment |= environment_of(house)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its log goes on."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log
            )

    def committed(self, topic: str = JOURNEY_ABANDONMENTS) -> int:
        """Sum of the offsets that its group has committed of a topic."""
        return committed(self._settings, self.group, [topic])

    def change_speed(self) -> None:
        """Have its clocks go fast, or again as usual."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    def resident_mib(self) -> float:
        """Memory that it has."""
        assert self._process is not None
        return psutil.Process(self._process.pid).memory_info().rss / 2**20

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        assert self._process.poll() is None, self.log_path.read_text()[-3000:]
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask it to stop, and see that it ends well."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(30) == 0, self.log_path.read_text()[-3000:]

    def exit_code(self) -> int:
        """Wait until it has ended by itself."""
        assert self._process is not None
        return self._process.wait(SECONDS)

    def wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Poll a condition until it holds; fail when the sink ends by itself."""
        assert self._process is not None
        deadline = monotonic() + SECONDS
        while not condition():
            assert self._process.poll() is None, self.log_path.read_text()[-3000:]
            assert monotonic() < deadline, f"{otherwise}\n{self.log_path.read_text()[-3000:]}"
            sleep(0.1)

    def tidy(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def publish(settings: Settings, records: Sequence[Any]) -> None:
    """Append abandonments to their topic as a worker does."""

    async def send() -> None:
        codec = Codec()
        async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, linger_ms=5) as producer:
            sent = [
                await producer.send(
                    JOURNEY_ABANDONMENTS,
                    codec.encode(record) if not isinstance(record, bytes) else record,
                    b"key" if isinstance(record, bytes) else record.journey_id.encode(),
                    partition=number % 4,
                )
                for number, record in enumerate(records)
            ]
            await asyncio.gather(*sent)

    asyncio.run(send())


def letters(settings: Settings) -> list[dict[str, str]]:
    """Headers of the sink's dead letters; none before the first sink."""

    async def read() -> list[dict[str, str]]:
        async with admin(settings) as asked:
            if DEAD_LETTERS not in await asked.list_topics():
                return []
        async with open_log(settings, DEAD_LETTERS, catalog=None) as log:
            return [
                {name: text.decode() for name, text in record.headers}
                async for batch in log.read_partition(0)
                for record in batch.records
            ]

    return asyncio.run(read())
