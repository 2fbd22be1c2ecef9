"""What queries read: no column that nobody asks for, and no day outside the filter."""

import re
import subprocess
import sys
from os import environ

import pyarrow.parquet as pq
import pytest
import sqlglot

from benchmarks.billed_bytes import read_columns
from benchmarks.billed_bytes import report_bytes as billed_bytes
from journeys.agents.bigquery.client import Warehouse
from journeys.agents.bigquery.deployment import apply
from journeys.agents.bigquery.load_job import NoFilesError
from journeys.agents.bigquery.table_fill import fill
from journeys.agents.history.arrow_tables import arrow_table
from journeys.analytics.parquet_warehouse import ParquetWarehouse
from journeys.analytics.query import queries
from journeys.analytics.table import all_tables, touchpoint_table

from .next_version import environment_of
from .rows import abandonment, lifecycle, query, touchpoint

T0 = 1_761_000_000_000
DAY = 86_400_000


@pytest.fixture
def folder(tmp_path):
    """Give an export of a few rows."""
    records = (
        [abandonment(number, abandoned_at=T0 + number * DAY) for number in range(10)],
        [lifecycle(number, "started", f"j{number}", T0 + number * DAY) for number in range(10)],
        [touchpoint(1, "j1", T0, "email")],
    )
    for table, rows in zip(all_tables(), records, strict=True):
        (tmp_path / table.name).mkdir()
        pq.write_table(arrow_table(table, [row._asdict() for row in rows]), tmp_path / table.name / "rows.parquet")
    return tmp_path


@pytest.mark.parametrize(("view", "day"), [("abandonments", "abandoned_at"), ("lifecycle", "occurred_at")])
def test_a_filter_on_the_day_reaches_the_table_through_the_view(folder, view, day):
    """It stands in the scan and not above the window, so that days are left out before anything is sorted."""
    warehouse = ParquetWarehouse(folder)
    sql = f"SELECT COUNT(*) FROM `{warehouse.dataset}.{view}` WHERE {day} >= TIMESTAMP_MILLIS({T0 + 5 * DAY})"
    (asked,) = sqlglot.transpile(sql, read="bigquery", write="duckdb")
    ((_, text),) = warehouse._connection.execute(f"EXPLAIN {asked}").fetchall()
    assert "WINDOW" in text
    below = text[text.rindex("WINDOW") :]
    assert re.search(rf"Filters:\s*[^\w]*\s*{day}", below), text


def test_a_query_reads_what_it_asks_for_and_what_makes_rows_the_same():
    """Not all columns of a view, although it says SELECT *."""
    (one,) = [one for one in queries() if one.name == "by_reason"]
    assert read_columns(one.sql("project.dataset", 0, 1)) == {
        "journey_abandonments": {
            "abandoned_at",
            "abandonment_id",
            "abandonment_reason",
            "detected_at",
            "opportunity_cost_micros",
            "penalty_amount_micros",
            "probability_assumed",
            "source_offset",
            "total_cost_micros",
            "total_penalty_micros",
            "value_assumed",
        }
    }


def test_bytes_are_counted_as_bigquery_counts_them(folder):
    """Eight for each number and instant, nothing for what is absent, two and its letters for each text."""
    text = (2 + len("a0")) + (2 + len("TIMEOUT"))
    assert billed_bytes(folder)["by_reason"] == 10 * (7 * 8 + text)


@pytest.mark.broker
@pytest.mark.slow
def test_nothing_is_loaded_when_a_table_has_no_files(bigquery_client, house, folder):
    """It says which, and how to write them."""
    apply(bigquery_client, house)
    (folder / touchpoint_table().name / "rows.parquet").unlink()
    with pytest.raises(NoFilesError, match=r"journey_touchpoints has no Parquet files: .* journeys export --folder"):
        fill(bigquery_client, house, folder, all_tables())
    assert query(bigquery_client, house, "SELECT COUNT(*) FROM `{d}.journey_abandonments`") == [(0,)]


@pytest.mark.broker
@pytest.mark.slow
def test_the_commands_load_an_export_and_say_what_asking_costs(bigquery_client, house, folder):
    """Rows by table; loaded twice they show once, absurd times never; bytes by query, none of them by an emulator."""
    apply(bigquery_client, house)
    absurd = [abandonment(10, abandoned_at=0), abandonment(11, abandoned_at=253_402_214_400_000)]
    more = arrow_table(all_tables()[0], [row._asdict() for row in absurd])
    pq.write_table(more, folder / all_tables()[0].name / "absurd.parquet")
    assert fill(bigquery_client, house, folder, all_tables()).absurd == 2
    done = journeys(house, "bigquery", "fill", "--folder", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{house.path}.journey_abandonments: 10 rows",
        f"{house.path}.journey_lifecycle: 10 rows",
        f"{house.path}.journey_touchpoints: 1 rows",
        "2 rows left out: before 1990, or more than a year ahead",
    ]
    assert query(bigquery_client, house, "SELECT COUNT(*) FROM `{d}.journey_abandonments`") == [(20,)]
    assert query(bigquery_client, house, "SELECT COUNT(*) FROM `{d}.abandonments`") == [(10,)]
    told = journeys(house, "bigquery", "costs")
    assert told.stdout.splitlines() == [
        *(f"{one.name}: 0 bytes" for one in queries()),
        "nothing is stored, or this is an emulator, which counts no bytes",
    ]


def journeys(house: Warehouse, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command about a dataset to its end."""
    inherited = {name: value for name, value in environ.items() if not name.startswith("JOURNEYS_")}
    return subprocess.run(
        [sys.executable, "-m", "journeys.cli", *arguments],
        env=inherited | environment_of(house),
        capture_output=True,
        text=True,
        check=False,
    )
