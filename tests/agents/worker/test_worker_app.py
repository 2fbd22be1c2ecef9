"""The worker's app where it does otherwise than Faust and aiokafka: crashes, fetches, questions without answer."""

import asyncio

import pytest

from journeys.agents.settings.settings import Settings
from journeys.agents.worker import app as app_module
from journeys.agents.worker.app import JourneyApp, create_app
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.schemas.catalog import Catalog
from journeys.schemas.instants import DAY_MS


class EndedError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def app(tmp_path, monkeypatch) -> JourneyApp:
    """Worker's app that is not started; the end of the process is an error."""

    def end(code: WorkerExit, why: str) -> None:
        raise EndedError(code, why)

    monkeypatch.setattr(app_module, "end_now", end)
    return create_app(Settings(_env_file=None, data_dir=tmp_path), {"bootstrap_servers": "127.0.0.1:1"}, 2, Catalog())


def test_a_part_that_crashes_ends_the_process(app):
    """With the code that asks for a restart, and the error."""
    with pytest.raises(EndedError) as ended:
        asyncio.run(app.crash(RuntimeError("no answer")))
    assert ended.value.args[0] == WorkerExit.FAILED
    assert "no answer" in ended.value.args[1]


def test_a_part_that_crashes_while_the_worker_stops_lets_it_stop(app):
    """What it has to flush and commit is not cut short."""
    app._stopped.set()
    asyncio.run(app.crash(RuntimeError("closed")))
    assert app.crash_reason is not None


def test_fetches_wait_only_briefly(app):
    """A restore asks over the same connection, and a broker answers one request after the other."""

    async def fetch_wait_ms() -> int:
        thread = app.consumer._new_consumer_thread()
        consumer = thread._create_worker_consumer(app.transport)
        try:
            return consumer._fetch_max_wait_ms
        finally:
            await consumer.stop()

    app.finalize()
    assert asyncio.run(fetch_wait_ms()) <= 100


def test_a_worker_that_fetches_nothing_stays_in_its_group(app):
    """One without partitions waits to take over, for months: aiokafka would take it out, and never in again."""

    async def poll_interval_ms() -> int:
        consumer = app.consumer._new_consumer_thread()._create_worker_consumer(app.transport)
        try:
            return consumer._max_poll_interval_ms
        finally:
            await consumer.stop()

    app.finalize()
    assert asyncio.run(poll_interval_ms()) > 365 * DAY_MS


def test_nobody_is_asked_for_metadata_without_a_pause(app, monkeypatch):
    """Neither by the consumer nor by the producer, whose sender asks again at once when it gets no answer."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    async def ask() -> list[bool]:
        thread = app.consumer._new_consumer_thread()
        consumer, producer = thread._create_worker_consumer(app.transport), app.producer._new_producer()
        monkeypatch.setattr(asyncio, "sleep", noted)
        try:
            # No broker is known before the start, so there is none that could answer.
            clients = (consumer._client, producer.client)
            return [await client._metadata_update(client.cluster, []) for client in clients]
        finally:
            monkeypatch.setattr(asyncio, "sleep", sleep)
            await consumer.stop()
            await producer.stop()

    app.finalize()
    assert asyncio.run(ask()) == [False, False]
    assert len(pauses) == 2
    assert min(pauses) >= 0.1
