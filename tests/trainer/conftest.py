"""Fixtures of the trainer's tests."""

import asyncio
from importlib.util import find_spec

import pytest

from tests.fixtures.left_out import left_out
from tests.live.conftest import workers

from .feed_of_store import COUNT
from .redis_server import RedisServer
from .store_of_journeys import ManualClock, fill

__all__ = ["each_engine", "workers"]


@pytest.fixture(params=["reference", "compiled"])
def each_engine(request, monkeypatch):
    """Run a test of embedded managers under the reference, and under the compiled engine where that is built."""
    if request.param == "compiled" and find_spec("journeys.engine") is None:
        pytest.skip(left_out("engine"))
    monkeypatch.setenv("JOURNEYS_ENGINE", request.param)


@pytest.fixture
def server(tmp_path):
    """Give a Redis of the test's own."""
    started = RedisServer(tmp_path)
    started.start()
    yield started
    started.tidy()


@pytest.fixture(scope="session")
def full_store(tmp_path_factory):
    """Give a read-only store of 100 journeys: 100 abandonments, 20 returns, 10 of which convert."""
    path = tmp_path_factory.mktemp("store") / "journeys.sqlite3"
    asyncio.run(fill(path, COUNT))
    return path


@pytest.fixture
def clock():
    """Give a clock that only moves when a test sets it."""
    return ManualClock()


@pytest.fixture
def store(tmp_path):
    """Give the path of a store that is not there yet."""
    return tmp_path / "store" / "journeys.sqlite3"
