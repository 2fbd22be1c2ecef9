"""`journeys worker` as processes of a test: started, waited for, stopped, killed, and all gone at its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from journeys.agents.kafka.log_reader import LogReader, open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.rows import PARTITION_KEY
from journeys.schemas.topics import JOURNEY_EVENTS, changelog_name
from journeys.streams.stored.stored_row import row_offset

ROOT = Path(__file__).parent.parent.parent
_POLL_SECONDS = 0.1
_START_SECONDS = 300.0
# More than one flush deletes or repairs here.
_MOST_TOMBSTONES = 5_000
_APPLY_SECONDS = 300.0
_END_SECONDS = 120.0
_TAIL_LINES = 40
# Ends a worker when the test run that started it is gone, however it went.
_LEASH = "import os, signal, sys; sys.stdin.read(); os.kill(int(sys.argv[1]), signal.SIGKILL)"


class WorkerProcess:
    """One worker with a folder of its own. `log` is all that it has written so far."""

    program: Sequence[str] = ("-m", "journeys.cli")
    """What Python runs; the command's arguments follow."""

    def __init__(self, settings: Settings, folder: Path, worker_id: str, **environment: Any) -> None:
        """Start it with the settings that were given, and more of them by their names."""
        self.worker_id = worker_id
        folder.mkdir()
        self._log_path = folder / "worker.log"
        self._has_ended_as_wanted = False
        given = {name: getattr(settings, name) for name in settings.model_fields_set} | environment
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self.program, "worker", "--worker-id", worker_id],
                cwd=folder,
                env=_environment(given),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._leash = subprocess.Popen(
            [sys.executable, "-S", "-c", _LEASH, str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def log(self) -> str:
        """Standard output and standard error."""
        return self._log_path.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def ended_with(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        return self._process.poll()

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal; one that has ended gets none."""
        self._process.send_signal(sign)

    @property
    def has_not_failed(self) -> bool:
        """Whether it runs, was stopped or killed by the test, or has ended as the test had it."""
        return self._has_ended_as_wanted or self._process.poll() in (None, 0, -signal.SIGKILL)

    def require_running(self) -> None:
        """Fail, with the end of its log, if it has ended by itself."""
        assert self.is_running, self.told(f"ended with exit code {self._process.returncode}")

    def wait_until_logged(self, text: str, seconds: float = _START_SECONDS) -> None:
        """Wait for a text in its log."""
        deadline = monotonic() + seconds
        while text not in self.log:
            self.require_running()
            assert monotonic() < deadline, self.told(f"said nothing of {text!r} within {seconds:g} s")
            sleep(_POLL_SECONDS)

    def exit_code(self, seconds: float = _END_SECONDS) -> int:
        """Wait until it has ended and give its exit code."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(self.told(f"did not end within {seconds:g} s")) from None
        self._has_ended_as_wanted = True
        return code

    def stop(self) -> None:
        """Ask it to stop (SIGTERM), and see that it ends well."""
        self.require_running()
        self._process.send_signal(signal.SIGTERM)
        code = self.exit_code()
        assert code == 0, self.told(f"ended with exit code {code} after SIGTERM")

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self.require_running()
        self._process.kill()
        self._process.wait()

    def tidy(self) -> None:
        """Leave no process behind."""
        if self.is_running:
            self._process.kill()
            self._process.wait()
        self._leash.kill()
        self._leash.communicate()

    def told(self, what: str) -> str:
        """Message about this worker: what is wrong, and the end of its log."""
        lines = self.log.splitlines()[-_TAIL_LINES:]
        return "\n".join([f"worker {self.worker_id} {what}; its log ends:", *lines])


class Workers:
    """The workers of one test; a context manager. Each has the settings given here, and its own folder."""

    def __init__(self, folder: Path, process_type: type[WorkerProcess] = WorkerProcess) -> None:
        self._folder = folder
        self._process_type = process_type
        self._started: list[WorkerProcess] = []

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever still runs."""
        for worker in self._started:
            worker.tidy()

    def start(self, settings: Settings, **environment: Any) -> WorkerProcess:
        """Start a worker; it may not have partitions yet when this returns."""
        worker_id = f"worker-{len(self._started) + 1}"
        worker = self._process_type(settings, self._folder / worker_id, worker_id, **environment)
        self._started.append(worker)
        return worker

    def wait_until_applied(self, settings: Settings, seconds: float = _APPLY_SECONDS) -> None:
        """Wait until all that the input topic holds now is applied, published and stored."""
        asyncio.run(self._wait_until_applied(settings, seconds))

    def wait_until(self, condition: Callable[[], bool], otherwise: str, seconds: float = _APPLY_SECONDS) -> None:
        """Poll a condition until it holds; fail with `otherwise` and all logs, or when a worker has failed."""

        async def holds() -> bool:
            return await asyncio.to_thread(condition)

        asyncio.run(self._poll(holds, otherwise, seconds))

    async def _poll(self, condition: Callable[[], Awaitable[bool]], otherwise: str, seconds: float) -> None:
        deadline = monotonic() + seconds
        while not await condition():
            for worker in self._started:
                assert worker.has_not_failed, worker.told("has failed")
            assert monotonic() < deadline, "\n".join(
                [f"{otherwise} within {seconds:g} s", *(worker.told("was there") for worker in self._started)]
            )
            await asyncio.sleep(_POLL_SECONDS)

    async def _wait_until_applied(self, settings: Settings, seconds: float) -> None:
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
            ends = log.end_offsets
        waiting = {number for number, end in ends.items() if end > 0}
        async with open_log(settings, changelog_name(settings.application_id), catalog=None) as changelog:

            async def is_applied() -> bool:
                rows = await changelog.end_offsets_now()
                for number in sorted(waiting):
                    if await _applied_end(changelog, number, rows[number]) >= ends[number]:
                        waiting.remove(number)
                return not waiting

            await self._poll(is_applied, f"not all was applied up to {ends}", seconds)


async def _applied_end(changelog: LogReader, number: int, end: int) -> int:
    """Offset behind the last record applied, as the last partition row of a changelog says; 0 without one.

    Behind it stand tombstones and rows that were repaired, or the rows of a flush that is under way.
    """
    start = max(0, end - _MOST_TOMBSTONES - 1)
    marks = [
        row_offset(record.value)
        async for batch in changelog.read_partition(number, start=start, end=end)
        for record in batch.records
        if record.key == PARTITION_KEY
    ]
    return marks[-1] + 1 if marks else 0


def _environment(given: dict[str, Any]) -> dict[str, str]:
    """Environment of a worker: nothing of this test run's own settings, but those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    wanted = {f"JOURNEYS_{name.upper()}": str(value) for name, value in given.items() if value is not None}
    places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {"PYTHONPATH": os.pathsep.join(places)} | wanted
