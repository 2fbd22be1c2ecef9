"""The sink without Connect: exactly one row for each record, whatever is killed, lost or refused."""

import random
from os import environ
from time import monotonic, sleep
from typing import Any

import pytest

from journeys.agents.bigquery.client import Warehouse, client
from journeys.agents.bigquery.deployment import apply
from journeys.agents.stack.emulator import Emulator
from journeys.schemas.topics import JOURNEY_ABANDONMENTS
from tests.fixtures.fresh_kafka import emptied

from .rows import abandonment, in_milliseconds, query
from .sink_process import SECONDS, letters, publish
from .write_proxy import WriteProxy

pytestmark = [pytest.mark.broker, pytest.mark.slow]

IS_LONG = bool(environ.get("JOURNEYS_TEST_LONG"))
KILLS = 20 if IS_LONG else 4
ROWS = KILLS * 300


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
        publish(settings, published[number * ROWS // (KILLS + 1) : (number + 1) * ROWS // (KILLS + 1)])
        before = sink.committed()
        sink.start()
        sink.wait_until(lambda least=before: sink.committed() > least, "no row has come")
        sleep(chance.random() * 0.05)
        sink.kill()
    sink.start()
    publish(
        settings, published[KILLS * ROWS // (KILLS + 1) :]
    )  # so that this one has surely begun before it is stopped
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
        emulator.wait(SECONDS)
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
            emulator.wait(SECONDS)
            assert counts(asked, house)[0] > 2_000
            proxy.is_away = False
            sink.wait_until(lambda: sink.committed() >= 3_000, "rows are missing")
            sink.stop()
            assert counts(asked, house) == (3_000, 3_000)
    finally:
        emulator.kill()


def test_an_hour_of_refusal_loses_nothing(broker, sinks, bigquery_client, house):
    """An hour by the sink's clocks: it asks ever so often, holds no more, and then writes all that waited."""
    settings = emptied(broker)
    apply(bigquery_client, house)
    rows, speed = (60_000, 60) if IS_LONG else (12_000, 240)
    published = [abandonment(number) for number in range(rows)]
    with WriteProxy(str(house.grpc_endpoint)) as proxy:
        sink = sinks(settings, house._replace(grpc_endpoint=proxy.endpoint), speed=speed)
        publish(settings, published[:2_000])
        sink.start()
        sink.wait_until(lambda: sink.committed() >= 2_000, "rows are missing")
        proxy.is_away = True
        began, before = monotonic(), sink.resident_mib()
        sink.change_speed()
        publish(settings, published[2_000:])
        sink.wait_until(lambda: (monotonic() - began) * speed >= 3_600, "the hour does not end")
        sink.change_speed()
        asked, grown = proxy.turned_away, sink.resident_mib() - before
        assert sink.committed() == 2_000
        proxy.is_away = False
        sink.wait_until(lambda: sink.committed() >= rows, "rows are missing")
        sink.stop()
    print(f"in the hour: {asked} requests turned away, {grown:.1f} MiB grown; then {rows} rows")
    assert counts(bigquery_client, house) == (rows, rows)
    assert 360 < asked < 3_600, "as patient as it says"
    assert grown < 64, "what waits is in Kafka, not in memory"


def test_a_row_that_bigquery_refuses_is_a_dead_letter_and_the_rest_flows(broker, sinks, bigquery_client, house):
    """With the reason and where it came from; so is a record that is no abandonment at all."""
    settings = emptied(broker)
    apply(bigquery_client, house)
    known = len(letters(settings))
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
