"""The Redis of the local stack is Debian's, started and stopped as the other servers are."""

import pytest
import redis

from journeys.agents.devserver.redis_process import RedisProcess
from tests.fixtures.left_out import left_out


def test_it_starts_answers_and_leaves_nothing_behind(tmp_path):
    """A client works with it under its address; once stopped it answers nobody, and its data is gone."""
    server = RedisProcess(tmp_path / "redis")
    if not server.is_installed:
        pytest.skip(left_out("redis"))
    assert not server.answers()
    try:
        assert server.start()
        server.wait(30)
        assert not server.start(), "it runs already"
        client = redis.Redis.from_url(server.url)
        assert client.set("journeys:position", "17")
        client.close()
        pid = server.pid
        assert RedisProcess(tmp_path / "redis").stop(), "any process can stop it"
    finally:
        server.kill()
    assert pid is not None
    assert not server.answers()
    assert not list((tmp_path / "redis").glob("*.rdb"))
