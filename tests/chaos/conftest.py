"""Fixtures of the tests that strike Kafka itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.agents.devserver.broker import Broker
from journeys.agents.devserver.local_kafka import LocalKafka
from tests.fixtures.broker_fixture import leashed
from tests.fixtures.left_out import left_out


@pytest.fixture
def own_folder(tmp_path) -> Iterator[Path]:
    """Folder whose `kafka` is gone when the test is over, however it ends."""
    with leashed(tmp_path / "kafka"):
        yield tmp_path


@pytest.fixture
def kafka(broker: Broker) -> LocalKafka:
    """The process behind the test run's Kafka, to be stopped and frozen."""
    if broker.kind != "local":
        pytest.skip(left_out("own-kafka"))
    return LocalKafka(broker.directory)
