"""Event times: history that is years old comes into its partitions, absurd times into none."""

import re
from collections import Counter
from datetime import timedelta

import pytest

from journeys.agents.bigquery.deployment import apply
from journeys.agents.bigquery.event_time import DAYS_AHEAD, STREAMED_DAYS_BACK, require_streamable
from journeys.agents.bigquery.history_load import load
from journeys.agents.bigquery.table_days import today
from journeys.analytics.table import tables
from journeys.clock import now_ms
from journeys.schemas.instants import DAY_MS, EARLIEST, parse_instant
from journeys.schemas.invalid import InvalidRecordError
from tests.fixtures.fresh_kafka import emptied

from .bigquery_command import bigquery_command
from .exports import exported
from .rows import abandonment, insert, lifecycle, query
from .sink_process import letters, publish
from .test_sink import counts

ABANDONMENTS, LIFECYCLE = tables()
SOME_TIME = 1_790_000_000_000
NOW = now_ms()
YEAR = 365 * DAY_MS


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (0, "between 1990-01-01 and 9000-01-01"),
        (EARLIEST - 1, "between 1990-01-01 and 9000-01-01"),
        (parse_instant("8999-12-31T00:00:00Z"), "at most 365 days ahead"),
        (253_402_214_400_000, "between 1990-01-01 and 9000-01-01"),
        (SOME_TIME + DAYS_AHEAD * DAY_MS, "at most 365 days ahead"),
        (SOME_TIME - STREAMED_DAYS_BACK * DAY_MS - 1, "journeys export, then journeys bigquery load"),
    ],
)
def test_a_time_that_no_stream_may_bring_is_named(at, why):
    """Column, value, and what would be right, for each table by the column that it is partitioned by."""
    for table in tables():
        with pytest.raises(InvalidRecordError, match=f"{table.partition_by}: {at} is not allowed; .*{why}"):
            require_streamable(table, {table.partition_by: at}, SOME_TIME)


def test_the_first_and_the_last_time_of_the_window_are_streamed():
    """Nothing is refused that BigQuery takes."""
    for at in (SOME_TIME, SOME_TIME - STREAMED_DAYS_BACK * DAY_MS, SOME_TIME + DAYS_AHEAD * DAY_MS - 1):
        require_streamable(LIFECYCLE, {"occurred_at": at}, SOME_TIME)


@pytest.mark.broker
@pytest.mark.slow
def test_the_sink_streams_history_of_years_and_makes_dead_letters_of_absurd_times(
    broker,
    sinks,
    bigquery_client,
    house,
):
    """Rows of each of nine years and next month are there; 1970, 9999 and the like are dead letters with the reason."""
    settings = emptied(broker)
    apply(bigquery_client, house)
    known = len(letters(settings))
    good = [NOW - age * YEAR - DAY_MS for age in range(10)] + [NOW + 30 * DAY_MS]
    absurd = [0, 253_402_214_400_000, NOW + 2 * YEAR, NOW - 12 * YEAR]
    times = [*good[:5], *absurd[:2], *good[5:], *absurd[2:]]
    publish(settings, [abandonment(number, abandoned_at=at) for number, at in enumerate(times)])
    sink = sinks(settings, house)
    sink.start()
    sink.wait_until(lambda: sink.committed() >= len(times), "rows are missing")
    sink.stop()
    found = query(bigquery_client, house, "SELECT UNIX_MILLIS(abandoned_at) FROM `{d}.journey_abandonments`")
    assert Counter(at for (at,) in found) == Counter(good)
    reasons = sorted(letter["reason"] for letter in letters(settings)[known:])
    assert [int(re.match(r"abandoned_at: (-?\d+) is not allowed", reason)[1]) for reason in reasons] == sorted(
        absurd, key=str
    )


@pytest.mark.broker
@pytest.mark.slow
def test_older_history_is_loaded_once_and_absurd_times_are_left_out(bigquery_client, house, tmp_path):
    """An export with rows that came twice, rows that BigQuery has, and rows of 1970 and 9999; the load is run twice."""
    apply(bigquery_client, house)
    old = [abandonment(number, abandoned_at=NOW - (11 + number % 4) * YEAR - number * DAY_MS) for number in range(40)]
    recent = abandonment(100, abandoned_at=NOW - YEAR)
    absurd = [abandonment(200, abandoned_at=0), abandonment(201, abandoned_at=253_402_214_400_000)]
    told = [lifecycle(1, "started", "j1", NOW - 20 * YEAR)]
    insert(bigquery_client, house, "journey_abandonments", *old[:3], recent)
    folder = exported(tmp_path / "parquet", [*old, *old[:10], recent, *absurd], told)

    looked = bigquery_command(house, "load", "--folder", str(folder))
    assert (looked.returncode, looked.stderr) == (0, "")
    assert looked.stdout.splitlines()[-2:] == [
        "2 rows left out: before 1990, or more than a year ahead",
        "38 rows of more than 3,649 days ago to load; nothing was changed, --really does it",
    ]
    assert counts(bigquery_client, house) == (4, 4)
    for loaded in (38, 0):
        assert load(house, folder, today() - timedelta(days=STREAMED_DAYS_BACK), really=True).rows == loaded
        assert counts(bigquery_client, house) == (41, 41)
    found = query(bigquery_client, house, "SELECT abandonment_id, UNIX_MILLIS(abandoned_at), * FROM `{d}.abandonments`")
    assert {row[0]: row[1] for row in found} == {one.abandonment_id: one.abandoned_at for one in [*old, recent]}
    assert query(bigquery_client, house, "SELECT UNIX_MILLIS(occurred_at) FROM `{d}.lifecycle`") == [(NOW - 20 * YEAR,)]
