"""One Kafka with security for all tests of this folder; what each role may do is set up once."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.agents.kafka.topic_setup import create_topics
from tests.cli.conftest import cli
from tests.fixtures.broker_fixture import leashed
from tests.live.worker_process import Workers

from .acls import grant
from .secure_kafka import ADMIN, SecureKafka
from .users import GRANTS, USERS

__all__ = ["cli"]


@pytest.fixture(scope="session")
def kafka() -> Iterator[SecureKafka]:
    """Give a Kafka that lets in only whom it knows, with the topics and with the rights of every user."""
    folder = Path(tempfile.mkdtemp(prefix="journeys-secure-"))
    with leashed(folder):
        started = SecureKafka(folder, *USERS)
        started.launch(None, print)
        started.wait_until_it_answers()
        asyncio.run(grant(started.mutual_tls(ADMIN), GRANTS))
        asyncio.run(create_topics(started.mutual_tls(ADMIN)))
        yield started


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Give a place to start workers; none outlives the test."""
    with Workers(tmp_path) as started:
        yield started
