"""Fixtures of the trainer's tests."""

from importlib.util import find_spec

import pytest
from live.conftest import workers

from .redis_server import RedisServer

__all__ = ["each_engine", "workers"]


@pytest.fixture(params=["python", "compiled"])
def each_engine(request, monkeypatch):
    """Run a test of embedded managers under the pure core, and under the compiled engine where that is built."""
    if request.param == "compiled" and find_spec("journeys_engine") is None:
        pytest.skip("the engine is not built: no Rust toolchain")
    monkeypatch.setenv("JOURNEYS_ENGINE", request.param)


@pytest.fixture
def server(tmp_path):
    """Give a Redis of the test's own."""
    started = RedisServer(tmp_path)
    started.start()
    yield started
    started.tidy()
