"""The sink without Connect: exactly one row for each record, whatever is killed, lost or refused."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from os import environ
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from fresh_kafka import emptied

from agents.bigquery.client import Warehouse, client
from agents.bigquery.connector import DEAD_LETTERS
from agents.bigquery.deployment import apply
from agents.bigquery.emulator import Emulator
from agents.kafka_connection import admin
from agents.log_reader import open_log
from agents.settings import Settings
from schemas.codec import Codec
from schemas.topics import JOURNEY_ABANDONMENTS

from .group_offsets import committed
from .rows import abandonment, in_milliseconds, query
from .write_proxy import WriteProxy

pytestmark = [pytest.mark.broker, pytest.mark.slow]

ROOT = Path(__file__).parent.parent.parent
KILLS = 20 if environ.get("JOURNEYS_TEST_LONG") else 4
ROWS = KILLS * 300
_SECONDS = 120.0
_GROUPS = count(1)


class SinkProcess:
    """`journeys sink bigquery` as a process that may be killed."""

    def __init__(self, settings: Settings, house: Warehouse, folder: Path) -> None:
        self.log_path = folder / "sink.log"
        self._settings = settings
        self._group = f"sink-{next(_GROUPS)}"
        self._command = [sys.executable, "-m", "agents.cli", "sink", "bigquery", "--group", self._group]
        inherited = {name: value for name, value in environ.items() if not name.startswith("JOURNEYS_")}
        self._environment = inherited | {
            "PYTHONPATH": str(ROOT),
            "JOURNEYS_BOOTSTRAP_SERVERS": str(settings.bootstrap_servers),
            # So long a new one waits for the partitions of a killed one.
            "JOURNEYS_SESSION_TIMEOUT_SECONDS": "1",
            "JOURNEYS_FREEZE_LIMIT_SECONDS": "0.5",
            "JOURNEYS_BIGQUERY_PROJECT": house.project,
            "JOURNEYS_BIGQUERY_DATASET": house.dataset,
            "JOURNEYS_BIGQUERY_ENDPOINT": str(house.endpoint),
            "JOURNEYS_BIGQUERY_GRPC_ENDPOINT": str(house.grpc_endpoint),
        }
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its log goes on."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log
            )

    def committed(self) -> int:
        """Sum of the offsets that its group has committed of the abandonments."""
        return committed(self._settings, self._group, [JOURNEY_ABANDONMENTS])

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        assert self._process.poll() is None, self.log_path.read_text()[-3000:]
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask it to stop, and see that it ends well."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(30) == 0, self.log_path.read_text()[-3000:]

    def wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Poll a condition until it holds; fail when the sink ends by itself."""
        assert self._process is not None
        deadline = monotonic() + _SECONDS
        while not condition():
            assert self._process.poll() is None, self.log_path.read_text()[-3000:]
            assert monotonic() < deadline, f"{otherwise}\n{self.log_path.read_text()[-3000:]}"
            sleep(0.1)

    def tidy(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[Callable[..., SinkProcess]]:
    """Give a maker of sinks; none outlives the test."""
    made = []

    def make(settings: Settings, house: Warehouse) -> SinkProcess:
        made.append(SinkProcess(settings, house, tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.tidy()


def publish(settings: Settings, records: Sequence[Any]) -> None:
    """Append abandonments to their topic as a worker does."""

    async def send() -> None:
        codec = Codec()
        async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, linger_ms=5) as producer:
            sent = [
                await producer.send(
                    JOURNEY_ABANDONMENTS,
                    codec.encode(record) if not isinstance(record, bytes) else record,
                    b"key" if isinstance(record, bytes) else record.journey_id.encode(),
                    partition=number % 4,
                )
                for number, record in enumerate(records)
            ]
            await asyncio.gather(*sent)

    asyncio.run(send())


def letters(settings: Settings) -> list[dict[str, str]]:
    """Headers of the sink's dead letters."""

    async def read() -> list[dict[str, str]]:
        async with open_log(settings, DEAD_LETTERS) as log:
            return [
                {name: text.decode() for name, text in record.headers}
                async for batch in log.read_partition(0)
                for record in batch.records
            ]

    return asyncio.run(read())


def counts(asked: Any, house: Warehouse) -> tuple[int, int]:
    """Rows of the raw table, and different ids among them.

    Only for when nobody writes: queries and appends at once make the emulator answer one with the result of another, or
    stand still.
    """
    ((rows, ids),) = query(
        asked, house, "SELECT COUNT(*), COUNT(DISTINCT abandonment_id) FROM `{d}.journey_abandonments`"
    )
    return rows, ids


def test_every_row_is_there_once_after_kills(broker, sinks, bigquery_client, house):
    """Kill -9 at random moments (20 times in the long form); every field as it was published."""
    settings = emptied(broker)
    apply(bigquery_client, house)
    published = [abandonment(number, note=f"note {number}" if number % 3 else None) for number in range(ROWS)]
    sink = sinks(settings, house)
    chance = random.Random(5)
    for number in range(KILLS):
        publish(settings, published[number * ROWS // KILLS : (number + 1) * ROWS // KILLS])
        before = sink.committed()
        sink.start()
        sink.wait_until(lambda least=before: sink.committed() > least, "no row has come")
        sleep(chance.random() * 0.05)
        sink.kill()
    sink.start()
    sink.wait_until(lambda: sink.committed() >= ROWS, "rows are missing")
    sink.stop()
    assert counts(bigquery_client, house) == (ROWS, ROWS)
    found = query(bigquery_client, house, "SELECT * FROM `{d}.journey_abandonments`")
    expected = {record.abandonment_id: tuple(record) for record in published}
    assert {row[0]: tuple(map(in_milliseconds, row)) for row in found} == expected


def test_bigquery_away_loses_nothing_and_doubles_nothing(broker, sinks, tmp_path):
    """Answers that get lost, an outage, an emulator that is killed and forgets its streams: one row each."""
    settings = emptied(broker)
    emulator = Emulator(tmp_path / "emulator")
    try:
        emulator.start(print)
        emulator.wait(_SECONDS)
        house = Warehouse("journeys", "away", emulator.url, emulator.grpc_endpoint)
        with client(house) as asked, WriteProxy(str(emulator.grpc_endpoint)) as proxy:
            apply(asked, house)
            published = [abandonment(number) for number in range(3_000)]
            sink = sinks(settings, house._replace(grpc_endpoint=proxy.endpoint))
            proxy.loses_answers = 3
            publish(settings, published[:1_000])
            sink.start()
            sink.wait_until(lambda: sink.committed() >= 1_000, "rows are missing")
            assert counts(asked, house) == (1_000, 1_000)
            assert proxy.loses_answers == 0

            proxy.is_away = True
            publish(settings, published[1_000:2_000])
            sink.wait_until(lambda: proxy.turned_away > 10, "nothing was asked")
            assert counts(asked, house) == (1_000, 1_000)
            proxy.is_away = False
            sink.wait_until(lambda: sink.committed() >= 2_000, "rows are missing")
            assert counts(asked, house) == (2_000, 2_000)

            # Rows are written, the sink does not know it, and the stream that would tell is gone.
            proxy.loses_answers, proxy.is_away_after_loss = 1, True
            publish(settings, published[2_000:])
            sink.wait_until(lambda: proxy.is_away, "nothing was written")
            emulator.kill()
            emulator.start(print)
            emulator.wait(_SECONDS)
            assert counts(asked, house)[0] > 2_000
            proxy.is_away = False
            sink.wait_until(lambda: sink.committed() >= 3_000, "rows are missing")
            sink.stop()
            assert counts(asked, house) == (3_000, 3_000)
    finally:
        emulator.kill()


def test_a_row_that_bigquery_refuses_is_a_dead_letter_and_the_rest_flows(broker, sinks, bigquery_client, house):
    """With the reason and where it came from; so is a record that is no abandonment at all."""
    settings = emptied(broker)
    apply(bigquery_client, house)
    known = len(letters(settings)) if _has_letters(settings) else 0
    records: list[Any] = [abandonment(number) for number in range(400)]
    records[40] = b"no Avro"
    with WriteProxy(str(house.grpc_endpoint)) as proxy:
        # Behind the id stands the tag of the next column, so that a57 is not found in a570.
        proxy.refused = {b"a57\x12": "Field days_active: bad", b"a302\x12": "Field note: too long"}
        sink = sinks(settings, house._replace(grpc_endpoint=proxy.endpoint))
        publish(settings, records)
        sink.start()
        sink.wait_until(lambda: sink.committed() >= 400, "rows are missing")
        sink.stop()
    assert counts(bigquery_client, house) == (397, 397)
    told = letters(settings)[known:]
    assert {(letter["topic"], letter["reason"].partition(";")[0]) for letter in told} == {
        (JOURNEY_ABANDONMENTS, "value: b'no Avro' is not allowed"),
        (JOURNEY_ABANDONMENTS, "Field days_active: bad"),
        (JOURNEY_ABANDONMENTS, "Field note: too long"),
    }
    assert len(told) == 3
    places = {(letter["partition"], letter["offset"]) for letter in told}
    assert places == {("0", "10"), ("1", "14"), ("2", "75")}


def _has_letters(settings: Settings) -> bool:
    async def there() -> bool:
        async with admin(settings) as asked:
            return DEAD_LETTERS in await asked.list_topics()

    return asyncio.run(there())
