"""Apicurio Registry as a process on loopback: the schema registry of the local stack."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from journeys.agents.devserver.java import java
from journeys.agents.devserver.local_service import LocalService
from journeys.agents.devserver.maven_build import built
from journeys.agents.settings.development_servers import LOOPBACK

NAME: Final = "schema-registry"
PROJECT: Final = Path(__file__).parent / "connect" / "registry"


class RegistryProcess(LocalService):
    """The registry of one folder. Schemas and their ids are kept on disk: records in Kafka name them for good."""

    def __init__(self, directory: Path) -> None:
        super().__init__("the schema registry", directory, path="/apis/ccompat/v7/subjects")

    @property
    def confluent_url(self) -> str | None:
        """URL for clients of Confluent's registry, such as JOURNEYS_SCHEMA_REGISTRY_URL."""
        return None if self.url is None else f"{self.url}/apis/ccompat/v7"

    @property
    def converter_url(self) -> str | None:
        """URL for Connect's converter."""
        return None if self.url is None else f"{self.url}/apis/registry/v2"

    def start(self, say: Callable[[str], None]) -> bool:
        """Launch it without waiting for its answer; False if it runs. Raises ServiceError."""
        made = built(NAME, PROJECT, say)
        (jar,) = made.glob("apicurio-registry-app-*-runner.jar")
        flags = ["-Xmx384m", "-XX:TieredStopAtLevel=1", f"-Dquarkus.http.host={LOOPBACK}"]
        flags += [f"-Dquarkus.http.port={self.choose_ports()['http']}"]
        database = f"jdbc:h2:file:{self.directory / 'schemas'}"
        flags += [
            "-Dapicurio.storage.kind=sql",
            "-Dapicurio.storage.sql.kind=h2",
            f"-Dapicurio.datasource.url={database}",
        ]
        return self.launch([java(), *flags, "-jar", str(jar)], os.environ)
