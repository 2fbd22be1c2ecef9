"""`journeys export`: topics of a real Kafka as Parquet files, whole and as they are."""

import asyncio

import pyarrow.parquet as pq
import pytest

from journeys.agents.history.parquet_export import export
from journeys.analytics.table import all_tables
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import punctuation, touch
from tests.live.topic_exchange import append

from .archived_rows import plain
from .rows import abandonment
from .sink_process import publish

HOUR = 3_600_000


def contents(folder):
    """Rows of an export, by table, as the contracts have them."""
    return {
        table.name: [
            tuple(plain(row[column.name]) for column in table.columns)
            for row in pq.read_table(folder / table.name).to_pylist()
        ]
        for table in all_tables()
    }


@pytest.mark.broker
@pytest.mark.slow
def test_topics_are_exported_as_they_are_and_once_more(broker, tmp_path):
    """Every field; of the input topic the touchpoints alone. A second export takes the place of the first."""
    settings = emptied(broker)
    ended = [abandonment(number, user_id=f"u{number % 7}", note="é") for number in range(500)]
    touched = [touch(f"journey-{number}", 1, HOUR, channel="search") for number in range(20)]
    append(settings, punctuation(0), *touched, punctuation(HOUR))
    publish(settings, ended[:300])
    folder = tmp_path / "parquet"
    asyncio.run(export(settings, folder))
    publish(settings, ended[300:])
    rows = asyncio.run(export(settings, folder))
    assert list(rows.values()) == [500, 0, 20]
    found = contents(folder)
    assert {row[0]: row for row in found["journey_abandonments"]} == {one.abandonment_id: tuple(one) for one in ended}
    assert sorted(found["journey_touchpoints"], key=str) == sorted(map(tuple, touched), key=str)
