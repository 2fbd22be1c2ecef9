"""A Kafka Connect worker as a process on loopback, with the BigQuery sink connector in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from journeys.agents.devserver.java import java
from journeys.agents.devserver.local_service import LocalService
from journeys.agents.devserver.maven_build import built
from journeys.agents.settings.development_servers import LOOPBACK

PROJECTS: Final = Path(__file__).parent / "connect"
# The worker itself, then its plugins.
BUILDS: Final = {
    "connect-worker": PROJECTS / "worker",
    "bigquery-sink": PROJECTS / "sink",
    "avro-converter": PROJECTS / "converter",
    "event-time-guard": PROJECTS / "guard",
}
_LOG4J: Final = PROJECTS / "worker" / "log4j2.properties"
# Up soonest and small, which is what development wants of it.
_JAVA_FLAGS: Final = ("-Xmx512m", "-XX:TieredStopAtLevel=1")


class ConnectWorker(LocalService):
    """The standalone worker of one folder. How far it has come is in Kafka, as the offsets of its consumer group."""

    def __init__(self, directory: Path, *, java_flags: Sequence[str] = _JAVA_FLAGS) -> None:
        super().__init__("Kafka Connect", directory, path="/connectors")
        self._java_flags = java_flags

    def start(
        self, bootstrap_servers: str, connector: Mapping[str, Any], emulator_url: str, say: Callable[[str], None]
    ) -> bool:
        """Launch it with one connector (its `name` and `config`), without waiting; False if it runs.

        Raises ServiceError.
        """
        libs, *plugins = (built(name, project, say) for name, project in BUILDS.items())
        self.directory.mkdir(parents=True, exist_ok=True)
        properties = {
            "bootstrap.servers": bootstrap_servers,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            # The connector says its own.
            "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
            "offset.storage.file.filename": str(self.directory / "source.offsets"),
            "offset.flush.interval.ms": "2000",
            # A commit waits for the rows in flight, which on a loaded machine take longer than the default of 5 s.
            "offset.flush.timeout.ms": "60000",
            # A folder is found as a plugin if it is one of these; its services say what is in it.
            "plugin.path": ",".join(str(plugin.parent) for plugin in plugins),
            "plugin.discovery": "service_load",
            "listeners": f"http://{LOOPBACK}:{self.choose_ports()['http']}",
            "rest.advertised.host.name": LOOPBACK,
        }
        worker_file, connector_file = self.directory / "worker.properties", self.directory / "connector.json"
        worker_file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), "utf-8")
        connector_file.write_text(json.dumps(connector, indent=2), "utf-8")
        command = [java(), *self._java_flags, f"-Dlog4j2.configurationFile={_LOG4J}"]
        command += ["-cp", f"{libs}/*", "org.apache.kafka.connect.cli.ConnectStandalone"]
        return self.launch(
            [*command, str(worker_file), str(connector_file)], os.environ | {"BIGQUERY_EMULATOR_HOST": emulator_url}
        )
