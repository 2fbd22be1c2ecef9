"""The local stack: Kafka, schema registry, emulator of BigQuery, Kafka Connect with the sink connector, Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from journeys.agents.bigquery.client import client, warehouse
from journeys.agents.bigquery.connector import connector
from journeys.agents.bigquery.deployment import apply
from journeys.agents.devserver import broker
from journeys.agents.devserver.local_service import LocalService
from journeys.agents.devserver.maven_build import check_tools
from journeys.agents.devserver.redis_process import INSTALL_REDIS, RedisProcess
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.development_servers import emulator_folder, kafka_folder
from journeys.agents.settings.settings import Settings
from journeys.agents.stack import connect_worker, registry_process
from journeys.agents.stack.connect_worker import ConnectWorker
from journeys.agents.stack.emulator import Emulator
from journeys.agents.stack.registry_process import RegistryProcess

_WAIT_SECONDS: Final = 120.0


class Part(NamedTuple):
    """One server of the stack as it is seen now."""

    name: str
    address: str | None
    answers: bool
    log: Path | None


class Stack:
    """The stack of one data folder. Any process can stop what another one started."""

    def __init__(self, settings: Settings) -> None:
        self.kafka_folder = kafka_folder(settings.data_dir)
        folder = settings.data_dir / "stack"
        self.emulator = Emulator(emulator_folder(settings.data_dir))
        self.registry = RegistryProcess(folder / "registry")
        self.connect = ConnectWorker(folder / "connect")
        self.redis = RedisProcess(folder / "redis")
        self._given = settings

    @property
    def settings(self) -> Settings:
        """Settings of whoever works with this stack: its registry, its Kafka."""
        return self._given.model_copy(update={"schema_registry_url": self.registry.confluent_url})

    def up(self, say: Callable[[str], None]) -> None:
        """Start what does not run, wait until all of it answers, and bring topics, schemas and tables to their form.

        Raises ServiceError, BrokerUnavailable, and what the steps raise; what was started before stays.
        """
        check_tools({registry_process.NAME: registry_process.PROJECT, **connect_worker.BUILDS})
        kafka = broker.start(self.kafka_folder, say=say)
        self.emulator.start(say)
        self.registry.start(say)
        if self.redis.is_installed:
            self.redis.start()
            self.redis.wait(_WAIT_SECONDS)
        else:
            say(f"no Redis is installed, the stack goes without: {INSTALL_REDIS}")
        self.emulator.wait(_WAIT_SECONDS)
        self.registry.wait(_WAIT_SECONDS)
        asyncio.run(create_topics(self.settings))
        asyncio.run(own_catalog(self.settings))
        house = warehouse(self.settings)
        with client(house) as asked:
            apply(asked, house)
        url, registry_url = self.emulator.url, self.registry.converter_url
        assert url is not None, "what answers has its ports"
        assert registry_url is not None, "what answers has its ports"
        sink = connector(house, registry_url, topic_prefix=self._given.topic_prefix)
        self.connect.start(kafka.bootstrap_servers, sink, url, say)
        self.connect.wait(_WAIT_SECONDS)

    def down(self) -> bool:
        """Stop all of it and keep its data; False if nothing ran. A Kafka that was configured is left alone."""
        stopped = [service.stop() for service in (self.connect, self.registry, self.emulator, self.redis)]
        return any([*stopped, broker.stop(self.kafka_folder)])

    def status(self) -> list[Part]:
        """Each part in the order of its start."""
        kafka = broker.status(self.kafka_folder)
        parts = [
            Part(
                "Kafka",
                None if kafka is None else kafka.bootstrap_servers,
                kafka is not None and kafka.answers,
                broker.log_path(self.kafka_folder),
            )
        ]
        wanted = [self.emulator, self.registry, self.connect, *([self.redis] if self.redis.is_installed else [])]
        return parts + [_part(service) for service in wanted]


def _part(service: LocalService) -> Part:
    return Part(service.name.removeprefix("the "), service.url, service.answers(), service.log_path)
