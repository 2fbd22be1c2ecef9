"""One emulator for the tests of this folder, gone when the run is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import fsspec
import pytest

from journeys.agents.bigquery.client import Warehouse, client
from journeys.agents.bigquery.deployment import apply
from journeys.agents.settings.settings import Settings
from journeys.agents.stack.emulator import Emulator

from .archive_ledger import Ledger
from .bucket_server import BucketServer
from .sink_process import SinkProcess

_START_SECONDS = 90.0
_NUMBERS = count(1)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory) -> Iterator[Emulator]:
    """Give an emulator that answers."""
    started = Emulator(Path(tmp_path_factory.mktemp("emulator")))
    try:
        started.start(print)
        started.wait(_START_SECONDS)
        yield started
    finally:
        started.kill()


@pytest.fixture
def house(emulator) -> Warehouse:
    """Give a dataset of the test's own, which does not exist yet."""
    return Warehouse("journeys", f"test_{next(_NUMBERS)}", emulator.url, emulator.grpc_endpoint)


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[Callable[..., SinkProcess]]:
    """Give a maker of sinks; none outlives the test."""
    made = []

    def make(settings: Settings, house: Warehouse, *arguments: str, **more: Any) -> SinkProcess:
        made.append(SinkProcess(settings, house, tmp_path, *arguments, **more))
        return made[-1]

    yield make
    for one in made:
        one.tidy()


@pytest.fixture
def bigquery_client(house) -> Iterator[Any]:
    """Give a google.cloud.bigquery.Client of the emulator."""
    with client(house) as made:
        yield made


@pytest.fixture
def ledger(bigquery_client, house) -> Ledger:
    """Give a ledger of tables that are there and empty."""
    apply(bigquery_client, house)
    return Ledger(bigquery_client, house)


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory) -> Iterator[BucketServer]:
    """Give a server of buckets that answers."""
    started = BucketServer(tmp_path_factory.mktemp("bucket-server"))
    try:
        started.start()
        started.wait(_START_SECONDS)
        yield started
    finally:
        started.kill()


@pytest.fixture
def bucket(bucket_server, monkeypatch) -> str:
    """Give the URL of an empty bucket, which this process and those that it starts can open."""
    for name, value in bucket_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon"})  # read from the environment at import
    return bucket_server.make_bucket(f"bucket-{next(_NUMBERS)}")
