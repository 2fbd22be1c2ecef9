"""Health and figures of the sink over HTTP, of a sink that is made up."""

import asyncio
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from journeys.agents.bigquery import sink_health
from journeys.agents.bigquery.sink_health import SinkHealth
from journeys.agents.settings.settings import Settings

PLACE = TopicPartition("journey-abandonments", 2)


class Consumer:
    """A consumer that stands at offset 40 of 100."""

    is_away = False

    def assignment(self):
        """One partition."""
        return {PLACE}

    async def end_offsets(self, partitions):
        """Where the log ends, if Kafka answers."""
        if self.is_away:
            raise KafkaTimeoutError
        return dict.fromkeys(partitions, 100)

    async def position(self, tp):
        """Where it reads on."""
        assert tp == PLACE
        return 40


def asked(url):
    """Status and body."""
    try:
        with urlopen(url, timeout=20) as answer:  # noqa: S310 - the address of our own server
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def now(monkeypatch):
    """Give the sink's clock, to be moved by hand."""
    seconds = [100.0]
    monkeypatch.setattr(sink_health, "monotonic", lambda: seconds[0])
    return seconds


def test_a_sink_says_what_it_waits_for_and_what_it_has_done(now):
    """Starting, at work, without its partitions, without BigQuery; rows, refusals, and what waits."""
    sink = SimpleNamespace(written=7, refused=1, has_joined=True)
    writer, consumer = SimpleNamespace(calling_since=None), Consumer()
    at = 'application="journeys",mode="sink"'
    lag = f'journeys_sink_lag_records{{{at},partition="2",topic="journey-abandonments"}} 60.0'

    async def run():
        with SinkHealth(Settings(_env_file=None, metrics_port=0)) as health:

            async def ask(path):
                return await asyncio.to_thread(asked, health.address + path)

            async def ready_when(code):
                """Wait until the loop has looked at its parts."""
                async with asyncio.timeout(20):
                    while (answer := await ask("/ready"))[0] != code:
                        pass
                return answer[1]

            assert "starting: " in (await ask("/ready"))[1]
            assert "journeys_sink" not in (await ask("/metrics"))[1]
            health.watch(sink, consumer, writer)
            await ready_when(200)
            told = (await ask("/metrics"))[1]
            for sample in (f"journeys_sink_rows_total{{{at}}} 7.0", f"journeys_sink_refused_total{{{at}}} 1.0", lag):
                assert sample in told
            assert f"journeys_ready{{{at}}} 1.0" in told
            sink.has_joined = False
            assert "joining: " in await ready_when(503)
            sink.has_joined = True
            await ready_when(200)
            writer.calling_since, consumer.is_away = now[0], True
            now[0] += 6
            assert "bigquery: BigQuery has not answered for 6 s" in await ready_when(503)
            told = (await ask("/metrics"))[1]
            assert f"journeys_store_healthy{{{at}}} 0.0" in told
            assert lag not in told
            assert (await ask("/live"))[0] == 200

    asyncio.run(run())
