"""Touchpoints -> Kafka -> worker -> output topics -> Kafka Connect -> tables: each part a real process."""

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from os import environ
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from journeys.agents.bigquery.connector import DEAD_LETTERS, connector
from journeys.agents.bigquery.deployment import apply
from journeys.agents.demo.load_generator import generate
from journeys.agents.history.importer import import_history
from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.settings.settings import Settings
from journeys.agents.stack.connect_worker import ConnectWorker
from journeys.agents.stack.registry_process import RegistryProcess
from journeys.agents.verify.topic_replay import TopicReplay
from journeys.analytics.abandonment_report import report_of
from journeys.analytics.query import queries
from journeys.analytics.table import Column, all_tables, tables
from journeys.clock import now_ms
from journeys.schemas.catalog import own_schemas
from journeys.schemas.codec import Codec
from journeys.schemas.lines import parse_line
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import create_by_hand, emptied
from tests.fixtures.left_out import left_out, needs_maven
from tests.live.worker_process import Workers

from .group_offsets import committed, message_count
from .next_version import DEVICE, with_device, written_as
from .rows import abandonment, in_milliseconds, query
from .sink_process import publish

pytestmark = [pytest.mark.broker, pytest.mark.slow, needs_maven]
is_long = pytest.mark.skipif(not environ.get("JOURNEYS_TEST_LONG"), reason=left_out("long"))

JOURNEYS = 4_000
LEAST_ABANDONMENTS = 5_000
OUTPUTS = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE)
_SECONDS = 150.0
_VIEWS = {"abandonments": "abandonment_id", "lifecycle": "lifecycle_id", "user_journeys": "journey_id"}


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Give a place to start workers; none outlives the test."""
    with Workers(tmp_path) as started:
        yield started


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryProcess]:
    """Give a schema registry that answers."""
    started = RegistryProcess(tmp_path / "registry")
    try:
        started.start(print)
        started.wait(_SECONDS)
        yield started
    finally:
        started.kill()


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[ConnectWorker]:
    """Give a Connect worker that is not started yet."""
    worker = ConnectWorker(tmp_path / "connect")
    try:
        yield worker
    finally:
        worker.kill()


class Line:
    """The whole line for one test: a worker and Connect, which `start` begins again under a name of its group."""

    def __init__(self, broker, workers, registry, connect, client, house) -> None:
        self.settings = emptied(broker, schema_registry_url=registry.confluent_url)
        if not has_topic(self.settings, DEAD_LETTERS):
            asyncio.run(create_by_hand(self.settings, {DEAD_LETTERS: (1, {})}))
        self._letters = message_count(self.settings, DEAD_LETTERS)
        self._registry, self._connect, self._client, self._house = registry, connect, client, house
        self._workers = workers
        apply(client, house)

    def start(self, name: str, *topics: str) -> None:
        """Start Connect, on `topics` alone if there are any."""
        given = connector(self._house, self._registry.converter_url, name=name)
        given["config"]["topics"] = ",".join(topics or OUTPUTS)
        self._connect.start(self.settings.bootstrap_servers, given, self._house.endpoint, print)

    def play(self) -> None:
        """Start a worker and write the journeys."""
        self._workers.start(self.settings).wait_until_logged("restored: partitions [")
        asyncio.run(import_history(self.settings, enumerate(map(parse_line, generate(JOURNEYS, seed=11)))))

    def expected(self) -> dict[str, Any]:
        """Abandonments of a replay by id, once the worker has published all of them."""
        self._workers.wait_until_applied(self.settings)
        return {one.abandonment_id: one for one in asyncio.run(replayed(self.settings))}

    def wait_for_all(self, name: str, *topics: str) -> None:
        """Wait until Connect's group has committed all that the topics (default: both outputs) hold."""
        topics = topics or OUTPUTS
        total = message_count(self.settings, *topics)
        wait(lambda: committed(self.settings, f"connect-{name}", topics) >= total, self._connect, "rows are missing")

    def require_no_letters(self) -> None:
        """Fail if a row has become a dead letter."""
        assert message_count(self.settings, DEAD_LETTERS) == self._letters


@pytest.fixture
def line(broker, workers, registry, connect, bigquery_client, house) -> Line:
    """Give the whole line, with tables and without rows; Connect and the worker are not started."""
    return Line(broker, workers, registry, connect, bigquery_client, house)


def test_abandonments_reach_bigquery_as_the_replay_gives_them(line, bigquery_client, house):
    """Every field of at least 5,000. The long form below has the lifecycle, too."""
    line.start("whole", JOURNEY_ABANDONMENTS)
    line.play()
    expected = line.expected()
    assert len(expected) >= LEAST_ABANDONMENTS
    line.wait_for_all("whole", JOURNEY_ABANDONMENTS)
    require_equal(bigquery_client, house, expected)
    line.require_no_letters()


@is_long
def test_a_kill_and_a_second_reading_change_no_view_and_no_report(line, connect, bigquery_client, house):
    """Connect killed in mid-stream, and all read again by another group."""
    line.start("first")
    line.play()
    wait(lambda: committed(line.settings, "connect-first", OUTPUTS) > 0, connect, "no row has come")
    assert connect.kill()
    came = counted(bigquery_client, house, "journey_abandonments")
    expected = line.expected()
    assert 0 < came < len(expected), "it was not killed in mid-stream"
    line.start("first")
    line.wait_for_all("first")
    require_equal(bigquery_client, house, expected)
    before = contents(bigquery_client, house)
    connect.kill()
    line.start("second")
    line.wait_for_all("second")
    assert counted(bigquery_client, house, "journey_abandonments") >= 2 * len(expected)
    assert contents(bigquery_client, house) == before
    line.require_no_letters()


@is_long
def test_a_nullable_field_comes_in_while_connect_runs(line, registry, connect, bigquery_client, house):
    """The table first, then the worker: rows of both versions are readable, and Connect goes on as it was."""
    settings = line.settings
    line.start("fields")
    codec = Codec(asyncio.run(own_catalog(settings)))
    publish(settings, [codec.encode(abandonment(number)) for number in range(200)])
    line.wait_for_all("fields")
    wider = tables()[0]._replace(columns=(*tables()[0].columns, Column("device", "STRING", False, DEVICE["doc"])))
    apply(bigquery_client, house, (wider, *all_tables()[1:]))
    contract = copy.deepcopy(own_schemas()["JourneyAbandoned"])
    with_device(contract)
    subject = f"{registry.confluent_url}/subjects/{JOURNEY_ABANDONMENTS}-gaelp.journeys.JourneyAbandoned/versions"
    schema_id = httpx.post(subject, json={"schema": json.dumps(contract)}).raise_for_status().json()["id"]
    publish(
        settings,
        [
            written_as(contract, schema_id, number, device=f"phone {number}")
            if number % 2
            else codec.encode(abandonment(number))
            for number in range(200, 400)
        ],
    )
    line.wait_for_all("fields")
    assert connect.kill()
    found = query(bigquery_client, house, "SELECT abandonment_id, device FROM `{d}.abandonments`")
    assert sorted(found) == sorted(
        (f"a{number}", f"phone {number}" if number >= 200 and number % 2 else None) for number in range(400)
    )
    line.require_no_letters()


def require_equal(client: Any, house: Any, expected: dict[str, Any]) -> None:
    """Fail unless the view has these abandonments, by id, in every field and no other."""
    found = query(client, house, f"SELECT * EXCEPT ({DOLLARS}) FROM `{{d}}.abandonments`")
    assert len(found) == len(expected)
    for row in found:
        assert tuple(map(in_milliseconds, row)) == tuple(expected[row[0]])


@is_long
def test_an_absurd_time_is_a_dead_letter_of_connect_and_the_rest_flows(
    broker, registry, connect, bigquery_client, house
):
    """Rows of 1970 and 9999 never reach the table; the dead letter's headers say why."""
    settings = emptied(broker, schema_registry_url=registry.confluent_url)
    if not has_topic(settings, DEAD_LETTERS):
        asyncio.run(create_by_hand(settings, {DEAD_LETTERS: (1, {})}))
    letters = message_count(settings, DEAD_LETTERS)
    apply(bigquery_client, house)
    now = now_ms()
    times = [now, 0, 253_402_214_400_000, now - 1_000 * 86_400_000]

    async def publish() -> None:
        codec = Codec(await own_catalog(settings))
        async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers) as producer:
            for number, at in enumerate(times):
                value = codec.encode(abandonment(number, abandoned_at=at))
                await producer.send_and_wait(JOURNEY_ABANDONMENTS, value, f"j{number}".encode(), partition=0)

    asyncio.run(publish())
    given = connector(house, registry.converter_url, name="guarded")
    connect.start(settings.bootstrap_servers, given, house.endpoint, print)
    wait(lambda: committed(settings, "connect-guarded", OUTPUTS) >= len(times), connect, "rows are missing")
    found = query(bigquery_client, house, "SELECT abandonment_id FROM `{d}.journey_abandonments` ORDER BY 1")
    assert found == [("a0",), ("a3",)]
    assert message_count(settings, DEAD_LETTERS) == letters + 2
    assert {reason.partition(" is not")[0] for reason in asyncio.run(reasons(settings))[letters:]} == {
        "abandoned_at: 0",
        "abandoned_at: 253402214400000",
    }


async def reasons(settings: Settings) -> list[str]:
    """What Connect says of its dead letters."""
    async with open_log(settings, DEAD_LETTERS, catalog=None) as log:
        return [
            dict(record.headers)["__connect.errors.exception.message"].decode()
            async for batch in log.read_partition(0)
            for record in batch.records
        ]


DOLLARS = "total_cost, conversion_value, penalty_amount, opportunity_cost, total_penalty"


async def replayed(settings: Settings) -> list[Any]:
    """Abandonments that a replay of the input topic gives."""
    replay = TopicReplay(settings)
    return [one async for effects in replay.effects() for one in effects.abandonments]


def has_topic(settings: Settings, topic: str) -> bool:
    """Whether a topic is there."""

    async def there() -> bool:
        async with admin(settings) as asked:
            return topic in await asked.list_topics()

    return asyncio.run(there())


def counted(client: Any, house: Any, table: str) -> int:
    """Rows of a table or view."""
    ((count,),) = query(client, house, f"SELECT COUNT(*) FROM `{{d}}.{table}`")
    return count


def contents(client: Any, house: Any) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all views, and the report over them."""
    views = {view: query(client, house, f"SELECT * FROM `{{d}}.{view}` ORDER BY {key}") for view, key in _VIEWS.items()}
    report = report_of(lambda sql: [dict(row.items()) for row in client.query(sql).result(timeout=60)], house.path, 366)
    return views | {name: getattr(report, name).rows() for name in (*(one.name for one in queries()), "after")}


def wait(condition: Callable[[], bool], connect: ConnectWorker, otherwise: str) -> None:
    """Poll a condition until it holds, or fail with the end of Connect's log."""
    deadline = monotonic() + _SECONDS
    while not condition():
        assert connect.pid is not None, "\n".join(["Connect has ended", *connect.log_tail(40)])
        assert monotonic() < deadline, "\n".join([otherwise, *connect.log_tail(40)])
        sleep(0.2)
