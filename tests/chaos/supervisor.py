"""The supervisor: keeps workers running as systemd or Kubernetes would, and counts how they end."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from pathlib import Path
from time import monotonic, time
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from journeys.agents.settings.settings import Settings
from tests.live.worker_process import WorkerProcess

_POLL_SECONDS: Final = 0.05
# What systemd waits by default before it starts a service again.
_RESTART_SECONDS: Final = 0.1
_ASKS_FOR_RESTART: Final = 70
_STOP_SECONDS: Final = 20.0
_LAST_WORDS: Final = re.compile(r"worker ends: [^\"]*|(?<=^journeys: ).*", re.MULTILINE)
_RESTORED: Final = re.compile(r"restored: partitions \[([\d, ]*)\]")


class WorkerFailedError(AssertionError):
    """A worker ended in a way that asks for no restart."""


class Ended(NamedTuple):
    """One end of one worker: `code` is its exit code, or minus the signal."""

    at: float
    name: str
    code: int


class Supervisor:
    """Workers by name, each in a new folder for each of its lives; a context manager that leaves none behind."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.ends: list[Ended] = []
        self.restart_seconds: list[float] = []
        """From each kill to the start of the next process: what this supervisor takes, not the worker."""
        self.last_words: list[str] = []
        """What workers said that ended by themselves."""
        self._settings = settings
        self._folder = folder
        self._running: dict[str, WorkerProcess] = {}
        self._wanted: set[str] = set()
        self._lives: Counter[str] = Counter()
        self._killed_at: dict[str, float] = {}
        self._all: list[WorkerProcess] = []

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever still runs."""
        for worker in self._all:
            worker.tidy()

    @property
    def running(self) -> dict[str, WorkerProcess]:
        """Workers whose processes are there, frozen ones too."""
        return {name: worker for name, worker in self._running.items() if worker.is_running}

    @property
    def exit_codes(self) -> dict[str, int]:
        """How often workers ended with each exit code, or by which signal."""
        named = (str(end.code) if end.code >= 0 else signal.Signals(-end.code).name for end in self.ends)
        return dict(sorted(Counter(named).items()))

    def start(self, name: str) -> None:
        """Start a worker and keep it running from now on."""
        self._wanted.add(name)
        self._start(name)

    def leave(self, name: str) -> None:
        """Ask a worker to stop (SIGTERM) and not to come back."""
        self._wanted.discard(name)
        self._running[name].send(signal.SIGTERM)

    def strike(self, name: str, sign: signal.Signals) -> list[int]:
        """Send a signal, for which the worker is not to blame; gives the partitions that it has told that it holds."""
        worker = self._running[name]
        held = partitions_held(worker)
        worker.send(sign)
        if sign == signal.SIGKILL:
            self._killed_at[name] = monotonic()
        return held

    async def watch(self) -> None:
        """Start again, for ever, what ended and asks for it. Raises WorkerFailedError for what does not."""
        while True:
            for name, worker in list(self._running.items()):
                self._bury(name, worker)
            for name in self._wanted - self._running.keys():
                await asyncio.sleep(_RESTART_SECONDS)
                self._start(name)
            await asyncio.sleep(_POLL_SECONDS)

    def start_quiet(self, name: str) -> None:
        """Start a worker that applies what there is and writes no time for a minute."""
        self._start(name, punctuation_interval_seconds=60)

    async def stop_all(self) -> None:
        """Stop all workers (SIGTERM) and wait for their ends."""
        self._wanted.clear()
        for worker in self.running.values():
            worker.send(signal.SIGTERM)
        for name, worker in list(self._running.items()):
            await asyncio.to_thread(worker.exit_code, _STOP_SECONDS)
            self._bury(name, worker)

    def logs(self) -> str:
        """The end of the log of every worker that runs."""
        return "\n".join(worker.told("was there") for worker in self.running.values())

    def lines(self, text: str) -> int:
        """How many log lines of all workers ever started hold a text."""
        return sum(line.count(text) for worker in self._all for line in worker.log.splitlines())

    def _start(self, name: str, **more: Any) -> None:
        self._lives[name] += 1
        worker = WorkerProcess(
            self._settings, self._folder / f"{name}-{self._lives[name]}", name, log_format="json", **more
        )
        self._running[name] = worker
        self._all.append(worker)
        if name in self._killed_at:
            self.restart_seconds.append(monotonic() - self._killed_at.pop(name))

    def _bury(self, name: str, worker: WorkerProcess) -> None:
        code = worker.ended_with
        if code is None:
            return
        del self._running[name]
        worker.tidy()
        self.ends.append(Ended(time(), name, code))
        self.last_words += [f"{name}: {words}" for words in _LAST_WORDS.findall(worker.log)]
        if name in self._wanted and 0 <= code < _ASKS_FOR_RESTART:
            raise WorkerFailedError(worker.told(f"ended with exit code {code}, which asks for no restart"))


def partitions_held(worker: WorkerProcess) -> list[int]:
    """Partitions that a worker has told that it holds; a rebalance of this moment is not in it."""
    told = _RESTORED.findall(worker.log)
    return [int(number) for number in told[-1].split(",")] if told and told[-1] else []
