"""A server as a process of this machine, on loopback, that any later process can find and stop.

Its folder holds all there is to know: `ports.json` (the same at every start), `process.json` (process id and
when it began, so that another program under the same number is never taken for it), `service.log` and
`service.log.1` (of the run before).
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
import psutil

from journeys.agents.devserver.directory_lock import locked
from journeys.agents.devserver.kafka_listeners import free_port, is_free
from journeys.agents.settings.development_servers import LOOPBACK
from journeys.agents.settings.operation_error import OperationError

_POLL_SECONDS: Final = 0.1
_PROBE_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 10.0
_CLOCK_SECONDS: Final = 60.0
"""By how much the time at which a process began may seem to move: Linux adds ticks since the boot to the boot's time,
which moves when the clock is set. A process id does not come again so soon."""


class ServiceError(OperationError):
    """A server could not be started, or does not answer."""


class LocalService:
    """The server of one folder, running or not. `port_names` are the ports that it needs, the first one HTTP's."""

    def __init__(self, name: str, directory: Path, *, port_names: Sequence[str] = ("http",), path: str = "/") -> None:
        """`path` is what answers a GET with success once the server is ready."""
        self.name = name
        self.directory = directory.resolve()
        self.log_path = self.directory / "service.log"
        self._port_names = tuple(port_names)
        self._path = path

    @property
    def ports(self) -> dict[str, int] | None:
        """Ports by name, also while it is stopped; None before the first start."""
        try:
            ports: dict[str, int] = json.loads((self.directory / "ports.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        return ports

    @property
    def url(self) -> str | None:
        """Where it answers HTTP; None before the first start."""
        ports = self.ports
        return None if ports is None else f"http://{LOOPBACK}:{ports[self._port_names[0]]}"

    @property
    def pid(self) -> int | None:
        """Process id while the process runs."""
        process = self._process()
        return None if process is None else process.pid

    def answers(self) -> bool:
        """Whether it runs and says that it is ready."""
        if self.pid is None or self.url is None:
            return False
        try:
            return httpx.get(self.url + self._path, timeout=_PROBE_SECONDS).is_success
        except httpx.HTTPError:
            return False

    def choose_ports(self) -> dict[str, int]:
        """Ports of the last start, else free ones, which are kept."""
        ports = self.ports
        if ports is None:
            ports = {}
            for name in self._port_names:
                ports[name] = free_port(other_than=set(ports.values()))
            self.directory.mkdir(parents=True, exist_ok=True)
            part = self.directory / "ports.json.part"
            part.write_text(json.dumps(ports), "utf-8")
            part.replace(self.directory / "ports.json")
        return ports

    def launch(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Start the process without waiting for its answer; False if it runs already. Raises ServiceError."""
        with locked(self.directory):
            if self.pid is not None:
                return False
            for name, port in self.choose_ports().items():
                if not is_free(port):
                    raise ServiceError(f"{self.name}: port {port} ({name}) is in use by another program")
            if self.log_path.exists():
                self.log_path.replace(self.log_path.with_name("service.log.1"))
            with self.log_path.open("wb") as log:
                process = subprocess.Popen(  # noqa: S603 - the caller's fixed command, no shell
                    command,
                    cwd=self.directory,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C in the terminal of the starter is not for the server
                )
            try:
                began = psutil.Process(process.pid).create_time()
                (self.directory / "process.json").write_text(json.dumps([process.pid, began]), "utf-8")
            except BaseException:  # nobody could stop a process that no file names
                process.kill()
                raise
        return True

    def wait(self, seconds: float) -> None:
        """Wait until it answers; raises ServiceError with its last words when it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not self.answers():
            if self.pid is None:
                raise ServiceError(f"{self.name} ended before it answered:\n{self._last_words()}")
            if time.monotonic() > deadline:
                raise ServiceError(f"{self.name} did not answer within {seconds:g} s:\n{self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> bool:
        """End it in an orderly way, by force if that takes too long; False if it does not run."""
        return self._end(signal.SIGTERM)

    def kill(self) -> bool:
        """End it at once, as a crash would; False if it does not run."""
        return self._end(signal.SIGKILL)

    def log_tail(self, lines: int) -> list[str]:
        """Last lines of its log, oldest first; none before the first start."""
        try:
            return self.log_path.read_text("utf-8", errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def _process(self) -> psutil.Process | None:
        try:
            pid, began = json.loads((self.directory / "process.json").read_text("utf-8"))
            process = psutil.Process(pid)
            is_ours = abs(process.create_time() - began) < _CLOCK_SECONDS and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None
        return process if is_ours else None

    def _end(self, first: signal.Signals) -> bool:
        with locked(self.directory):
            process = self._process()
            if process is None:
                return False
            family = [process, *process.children(recursive=True)]
            for sign in (first, signal.SIGKILL):
                for one in family:
                    with suppress(psutil.NoSuchProcess):
                        one.send_signal(sign)
                _, family = psutil.wait_procs(family, timeout=_STOP_SECONDS)
                if not family:
                    (self.directory / "process.json").unlink()
                    return True
        raise ServiceError(f"process {process.pid} of {self.name} does not end")

    def _last_words(self) -> str:
        return "\n".join(line for line in self.log_tail(200) if not line.startswith("\tat "))[-2000:]
