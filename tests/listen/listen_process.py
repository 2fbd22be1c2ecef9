"""`journeys listen` as a process of a test, on a port that stays the same when it is started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

from journeys.agents.settings.settings import Settings
from tests.live.worker_process import ROOT

_SECONDS = 120.0


class ListenProcess:
    """A context manager: starts it, and ends what runs. `log` is all that it has said."""

    def __init__(self, settings: Settings, folder: Path, *options: str, **environment: Any) -> None:
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._path = folder / "listen.log"
        given = {name: getattr(settings, name) for name in settings.model_fields_set} | environment
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
        self._environment |= {"PYTHONPATH": str(ROOT)}
        self._environment |= {f"JOURNEYS_{name.upper()}": str(value) for name, value in given.items()}
        self._command = [
            sys.executable,
            "-m",
            "journeys.cli",
            "listen",
            "--port",
            self.url.rpartition(":")[2],
            *options,
        ]
        self._folder = folder
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """What it has said, in all its starts."""
        return self._path.read_text()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it takes records."""
        with self._path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._starts += 1
        if wait:
            self.wait_until_said("ready", self._starts)

    def wait_until_said(self, text: str, times: int = 1) -> None:
        """Wait until a text stands in the log so often."""
        deadline = monotonic() + _SECONDS
        while self.log.count(text) < times:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log}"
            assert monotonic() < deadline, f"it said nothing of {text!r}: {self.log}"
            sleep(0.05)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        assert self.process.poll() is None, self.log
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop (SIGTERM), and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_SECONDS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
