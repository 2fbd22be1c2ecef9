"""Apache Kafka in a container, through testcontainers, with the settings of the local process.

The container outlives the program that started it: stopped it keeps its topics, discarded it is gone.
The data directory on this side holds `container` (its name), `listeners.json` (the ports) and `lock`.
"""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from journeys.agents.devserver.broker_unavailable import BrokerUnavailable
from journeys.agents.devserver.directory_lock import locked
from journeys.agents.devserver.kafka_jars import kafka_version
from journeys.agents.devserver.kafka_listeners import Listeners, listeners_for, stored_listeners

PING_SECONDS = 5
DATA = "/var/lib/kafka/data"  # a volume of the image, which its user may write


def docker_answers() -> bool:
    """Tell whether testcontainers is installed and a Docker daemon of this very machine answers."""
    try:
        from testcontainers.core.config import ConnectionMode  # noqa: PLC0415 - an extra that may be missing
        from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415
    except ImportError:
        return False
    try:
        client = DockerClient(timeout=PING_SECONDS)
        client.client.ping()
        # The broker advertises loopback, which a daemon elsewhere, or around this container, does not share.
        return bool(client.host() == "localhost" and client.get_connection_mode() == ConnectionMode.docker_host)
    except (_docker_error(), OSError):
        return False


class DockerKafka:
    """The Kafka container of one data directory, running or not."""

    log_path = None  # Docker keeps the log

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._name_file = self.directory / "container"

    @property
    def exists(self) -> bool:
        """Whether the directory was ever given a container."""
        return self._name_file.exists()

    @property
    def bootstrap_servers(self) -> str | None:
        """The address, also while stopped; None before the first start."""
        listeners = stored_listeners(self.directory)
        return listeners.bootstrap_servers if listeners else None

    def running(self) -> bool:
        """Whether the container runs; the broker in it may not answer yet."""
        container = self._container()
        return container is not None and container.status == "running"

    def launch(self, port: int | None, say: Callable[[str], None]) -> bool:
        """Start the container without waiting for the broker's answer; False if it runs already.

        Raises BrokerUnavailable when Docker refuses: no image to be had, or a port in use.
        """
        with locked(self.directory):
            container = self._container()
            if container is not None and container.status == "running":
                return False
            try:
                if container is None:
                    self._create(listeners_for(self.directory, port), say)
                else:
                    container.start()
            except _docker_error() as error:
                raise BrokerUnavailable(f"Docker could not start Kafka: {error}") from error
        return True

    def stop(self, timeout: float) -> bool:
        """Stop the container, by force after `timeout` seconds; False if it does not run."""
        return self._end(lambda container: container.stop(timeout=round(timeout)))

    def kill(self) -> bool:
        """End the container at once, as a crash would; False if it does not run."""
        return self._end(lambda container: container.kill())

    def discard(self) -> None:
        """Remove the container and its topics."""
        with locked(self.directory):
            container = self._container()
            if container is not None:
                container.remove(force=True, v=True)
            self._name_file.unlink(missing_ok=True)
            (self.directory / "listeners.json").unlink(missing_ok=True)

    def log_tail(self, lines: int) -> list[str]:
        """Give the last lines of the container's log, oldest first."""
        container = self._container()
        return container.logs(tail=lines).decode(errors="replace").splitlines() if container else []

    def _end(self, end: Callable[[Any], None]) -> bool:
        with locked(self.directory):
            container = self._container()
            if container is None or container.status != "running":
                return False
            end(container)
            container.wait()
            return True

    def _container(self) -> Any | None:
        from docker import errors, from_env  # type: ignore[import-untyped] # noqa: PLC0415 - an extra

        if not self.exists:
            return None
        try:
            return from_env().containers.get(self._name_file.read_text("utf-8"))
        except errors.NotFound:
            return None  # somebody removed it
        except (errors.DockerException, OSError) as error:
            raise BrokerUnavailable(f"the Kafka of {self.directory} is in Docker: {error}") from error

    def _create(self, listeners: Listeners, say: Callable[[str], None]) -> None:
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415 - an extra
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415

        name = f"journeys-kafka-{uuid.uuid4().hex[:12]}"
        self._name_file.write_text(name, "utf-8")
        listeners.store(self.directory)
        image = f"apache/kafka:{kafka_version()}"
        say(f"starting {image} in Docker ...")
        container = DockerContainer(image).with_name(name).with_envs(**environment(listeners))
        # The same number inside, for the broker reaches itself by the address that it advertises.
        container.ports = {f"{listeners.port}/tcp": ("127.0.0.1", listeners.port)}
        reaper_was_off = testcontainers_config.ryuk_disabled
        testcontainers_config.ryuk_disabled = True  # it would remove the broker when this program ends
        try:
            container.start()
        finally:
            testcontainers_config.ryuk_disabled = reaper_was_off


def environment(listeners: Listeners) -> dict[str, str]:
    """Give the settings as the image takes them: `a.b=c` becomes `KAFKA_A_B` with the value `c`."""
    text = listeners.properties(host="0.0.0.0", log_dirs=DATA)  # noqa: S104 - published on loopback only
    pairs = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    settings = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, _, value in pairs}
    return {**settings, "KAFKA_HEAP_OPTS": "-Xmx512m"}


def _docker_error() -> type[Exception]:
    from docker.errors import DockerException  # type: ignore[import-untyped] # noqa: PLC0415 - an extra that may be missing

    return DockerException  # type: ignore[no-any-return]
