"""The flusher's sends where Kafka does not take them for long, or for good: a real broker, a real producer."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from journeys.agents.devserver.broker import Broker
from journeys.agents.devserver.local_kafka import LocalKafka
from journeys.agents.kafka.connection import client_options
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.app import JourneyApp, create_app
from journeys.schemas.catalog import Catalog
from journeys.schemas.topics import JOURNEY_LIFECYCLE
from journeys.streams.compiled.encoded_messages import EncodedMessages
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import left_out
from tests.fixtures.topic_contents import read

pytestmark = pytest.mark.broker

REQUEST_TIMEOUT_SECONDS = 1.0
# What a producer waits before it tries again comes on top.
AWAY_SECONDS = 3 * REQUEST_TIMEOUT_SECONDS
# Five a second; without a pause between them there are hundreds.
MOST_QUESTIONS = 30


@asynccontextmanager
async def sending(settings: Settings) -> AsyncIterator[JourneyApp]:
    """Worker's app of which only the producer is started, and which gives up a request soon."""
    app = create_app(settings, await client_options(settings), 4, Catalog())
    app.finalize()
    app.producer.request_timeout = REQUEST_TIMEOUT_SECONDS
    app.guards.freeze.start()
    await app.producer.start()
    try:
        yield app
    finally:
        app.guards.freeze.stop()
        await app.producer.stop()


@pytest.fixture(params=["one by one", "finished by the engine"])
def records(request: pytest.FixtureRequest) -> Callable[..., Sequence[tuple[bytes, bytes]]]:
    """Make records that can be told apart, for aiokafka's builder of batches or as the engine gives them."""

    def one_by_one(*names: str) -> Sequence[tuple[bytes, bytes]]:
        return [(name.encode(), name.encode()) for name in names]

    if request.param == "one by one":
        return one_by_one
    compiled = pytest.importorskip("journeys.engine", reason=left_out("engine"))

    def finished(*names: str) -> Sequence[tuple[bytes, bytes]]:
        engine = compiled.Engine(0, 1, b"", b"", b"")
        engine.add_lifecycle(one_by_one(*names))
        return EncodedMessages(engine.take_lifecycle(), tuple)

    return finished


def published(settings: Settings) -> list[str]:
    """Names of all records of partition 0 of the lifecycle topic."""
    return [record.key.decode() for record in asyncio.run(read(settings, JOURNEY_LIFECYCLE))[0]]


@asynccontextmanager
async def leaderless(app: JourneyApp) -> AsyncIterator[list[None]]:
    """Partition 0 of the lifecycle topic has no leader; gives an entry for each time that Kafka was asked.

    One broker can't be brought to this answer and then lead the same log again: its answers are changed.
    """
    client = app.producer._producer.client
    asked: list[None] = []

    def update_metadata(metadata: Any) -> None:
        type(client.cluster).update_metadata(client.cluster, metadata)
        partitions = client.cluster._partitions[JOURNEY_LIFECYCLE]
        partitions[0] = partitions[0]._replace(leader=-1)
        asked.append(None)

    client.cluster.update_metadata = update_metadata
    await client.force_metadata_update()
    try:
        yield asked
    finally:
        del client.cluster.update_metadata
        await client.force_metadata_update()


@contextmanager
def frozen(broker: Broker) -> Iterator[None]:
    """Kafka stands still."""
    if broker.kind != "local":
        pytest.skip(left_out("own-kafka"))
    pid = LocalKafka(broker.directory).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_sends_wait_for_a_broker_that_is_away_longer_than_a_request_may_take(broker, records, tmp_path: Path):
    """Those of which one waits for another in the producer, too; each is there once."""
    settings = emptied(broker, data_dir=tmp_path)

    async def send() -> None:
        async with sending(settings) as app:
            await app.flusher._send(JOURNEY_LIFECYCLE, 0, records("first"))
            with frozen(broker):
                sends = [asyncio.create_task(app.flusher._send(JOURNEY_LIFECYCLE, 0, records(name))) for name in "abc"]
                done, _ = await asyncio.wait(sends, timeout=AWAY_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
                assert [task.exception() for task in done] == []
            await asyncio.gather(*sends)

    asyncio.run(send())
    assert sorted(published(settings)) == ["a", "b", "c", "first"]


def test_sends_wait_for_a_partition_that_has_no_leader_for_longer_than_a_request_may_take(
    broker, records, tmp_path: Path
):
    """The producer must not give up what has its number in the partition's sequence, or all later ones are refused."""
    settings = emptied(broker, data_dir=tmp_path)

    async def send() -> None:
        async with sending(settings) as app:
            await app.flusher._send(JOURNEY_LIFECYCLE, 0, records("first"))
            async with leaderless(app) as asked:
                waiting = asyncio.create_task(app.flusher._send(JOURNEY_LIFECYCLE, 0, records("second")))
                await asyncio.wait([waiting], timeout=AWAY_SECONDS)
                assert not waiting.done()
                assert len(asked) < MOST_QUESTIONS
            await waiting
            await app.flusher._send(JOURNEY_LIFECYCLE, 0, records("third"))

    asyncio.run(send())
    assert published(settings) == ["first", "second", "third"]
