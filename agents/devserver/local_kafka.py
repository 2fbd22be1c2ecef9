"""Apache Kafka as a process of this machine, on loopback, with one data directory.

The directory holds all there is to know, so any process can stop what another one started:
`listeners.json` (the ports, the same at every start), `server.properties` (written anew at each start),
`data/` (the topics), `kafka.pid`, `kafka.log` (of this run), `kafka.log.1` (of the run before), `lock`, `tmp/`.
"""

import base64
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from journeys.agents.devserver import kafka_jars
from journeys.agents.devserver.broker_unavailable import BrokerUnavailable
from journeys.agents.devserver.directory_lock import locked
from journeys.agents.devserver.java import java
from journeys.agents.devserver.kafka_listeners import listeners_for, stored_listeners
from journeys.agents.settings.development_servers import LOOPBACK

LOG4J = Path(__file__).parent / "kafka_files" / "log4j2.properties"
POLL_SECONDS = 0.05
TAIL_BYTES = 256 * 1024


class LocalKafka:
    """The Kafka process of one data directory, running or not."""

    heap_mb = 512
    launcher: Sequence[str] = ()
    """Words in front of the command of the server, which then runs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.log_path = self.directory / "kafka.log"
        self._data = self.directory / "data"
        self._properties = self.directory / "server.properties"
        self._pid_file = self.directory / "kafka.pid"

    @property
    def exists(self) -> bool:
        """Whether the directory was ever made ready for a local Kafka."""
        return (self._data / "meta.properties").exists()

    @property
    def bootstrap_servers(self) -> str | None:
        """The address, also while stopped; None before the first start."""
        listeners = stored_listeners(self.directory)
        return listeners.bootstrap_servers if listeners else None

    @property
    def pid(self) -> int | None:
        """The process id while the process runs.

        A pid file whose number is free or belongs to another program by now is stale, and counts as none.
        """
        try:
            pid = int(self._pid_file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return pid if self._is_ours(pid) else None

    def running(self) -> bool:
        """Whether the process runs; it may not answer yet."""
        return self.pid is not None

    def launch(self, port: int | None, say: Callable[[str], None]) -> bool:
        """Start the process without waiting for its answer; False if it runs already.

        `port` is the port for clients; without one it is that of the last start, or a free one. `say` gets
        progress lines. Raises BrokerUnavailable: no Java, no way to fetch Kafka, a port in use.
        """
        with locked(self.directory):  # waits for a stop that is under way
            if self.running():
                return False
        java_path, libs = java(), kafka_jars.fetched(say)  # may take minutes: no lock is held meanwhile
        with locked(self.directory):
            if self.running():
                return False
            if self._data.exists() and not self.exists:
                raise BrokerUnavailable(f"{self._data} exists and is not Kafka's: take another directory, or remove it")
            self._configure(port)
            java_command = [java_path, "-cp", f"{libs}/*", f"-Dlog4j2.configurationFile={LOG4J}"]
            if not self.exists:
                self._format(java_command)
            self._spawn(java_command)
        return True

    def stop(self, timeout: float) -> bool:
        """End the process in an orderly way, by force after `timeout` seconds; False if none runs."""
        return self._end(signal.SIGTERM, timeout)

    def kill(self) -> bool:
        """End the process at once, as a crash would; False if none runs."""
        return self._end(signal.SIGKILL, 0.0)

    def discard(self) -> None:
        """End the process and remove all that it wrote, topics included."""
        self.kill()
        if self.exists:
            shutil.rmtree(self._data)
        shutil.rmtree(self.directory / "tmp", ignore_errors=True)
        for name in ("listeners.json", "server.properties", "kafka.pid", "kafka.log", "kafka.log.1"):
            (self.directory / name).unlink(missing_ok=True)

    def log_tail(self, lines: int) -> list[str]:
        """Give the last lines of the log, oldest first; none before the first start."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - TAIL_BYTES))
                return log.read().decode("utf-8", errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def _configure(self, port: int | None) -> None:
        listeners = listeners_for(self.directory, port)
        if not listeners.port_is_free():
            raise BrokerUnavailable(f"port {listeners.port} is in use by another program: ask for another port")
        listeners.store(self.directory)
        (self.directory / "tmp").mkdir(exist_ok=True)
        # A relative log_dirs: a path with a comma or a letter beyond Latin-1 would not survive in this file.
        self._properties.write_text(listeners.properties(host=LOOPBACK, log_dirs="data"), "utf-8")

    def _cluster_id(self) -> str:
        return new_cluster_id()

    def _format(self, java_command: list[str], *options: str) -> None:
        self._data.mkdir()
        # One word with its option: one id in 64 begins with a minus sign.
        cluster = f"--cluster-id={self._cluster_id()}"
        tool = ["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", cluster]
        try:
            subprocess.run(  # noqa: S603 - a fixed command, no shell
                [*java_command, *tool, "--config", str(self._properties), *options],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            )
        except BaseException as error:  # an interrupt too must leave nothing that looks like a data directory
            shutil.rmtree(self._data)
            if isinstance(error, subprocess.CalledProcessError):
                raise BrokerUnavailable(f"Kafka could not prepare {self._data}:\n{error.stdout}") from error
            raise

    def _spawn(self, java_command: list[str]) -> None:
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_name("kafka.log.1"))
        flags = [f"-Xmx{self.heap_mb}m", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError"]
        flags += [f"-Djava.io.tmpdir={self.directory / 'tmp'}"]
        # The shell makes the server a child of init, which buries it whoever asks for its end, and writes the
        # pid itself, so that an interrupt of this program cannot leave a process that no pid file names.
        script = 'log=$1; pid=$2; shift 2; "$@" </dev/null >"$log" 2>&1 & echo $! >"$pid"'
        server = [*self.launcher, *java_command, *flags, "kafka.Kafka", str(self._properties)]
        subprocess.run(  # noqa: S603 - a fixed script, its words are arguments
            ["/bin/sh", "-c", script, "sh", str(self.log_path), str(self._pid_file), *server],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal of the starter is not for the broker
            check=True,
        )

    def _end(self, first: signal.Signals, timeout: float) -> bool:
        with locked(self.directory):
            pid = self.pid
            if pid is None:
                self._pid_file.unlink(missing_ok=True)
                return False
            for sign, seconds in ((first, timeout), (signal.SIGKILL, 30.0)):
                _send(pid, sign)
                deadline = time.monotonic() + seconds
                while self._is_ours(pid) and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
                if not self._is_ours(pid):
                    self._pid_file.unlink(missing_ok=True)
                    return True
            raise BrokerUnavailable(f"process {pid} of the Kafka in {self.directory} does not end")

    def _is_ours(self, pid: int) -> bool:
        ours = f" kafka.Kafka {self._properties}"
        words = _command_line(pid)
        if words == "":  # so it looks for a moment while a program starts, and for good once it is dead
            time.sleep(POLL_SECONDS)
            words = _command_line(pid)
        return words is not None and words.endswith(ours)


def new_cluster_id() -> str:
    """Give an id for a cluster, as Kafka writes them: 16 bytes in base64."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _command_line(pid: int) -> str | None:
    """Give the words of a process, joined by spaces; "" for one that is dead or starting, None for none."""
    if Path("/proc/self/cmdline").exists():
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ").rstrip()
        except (FileNotFoundError, ProcessLookupError):
            return None
    shown = subprocess.run(  # noqa: S603 - a fixed command, no shell
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.rstrip() if shown.returncode == 0 else None


def _send(pid: int, sign: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it ended by itself just now, which is what was asked for
        os.kill(pid, sign)
