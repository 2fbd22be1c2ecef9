"""What Kafka Connect asks of each record before the connector has it, in a real JVM with Connect's own classes."""

import subprocess
from pathlib import Path

import pytest

from journeys.agents.bigquery.client import Warehouse
from journeys.agents.bigquery.connector import connector
from journeys.agents.devserver.java import java
from journeys.agents.devserver.maven_build import built
from journeys.agents.stack.connect_worker import PROJECTS
from journeys.analytics.table import tables
from journeys.clock import now_ms
from journeys.schemas.instants import DAY_MS
from tests.fixtures.left_out import needs_maven

pytestmark = [pytest.mark.slow, needs_maven]

CHECK = Path(__file__).parent / "EventTimeGuardCheck.java"


def test_absurd_times_are_refused_and_years_of_history_pass():
    """For each topic by its table's column, as a logical timestamp or as a number; tombstones and other topics pass."""
    now = now_ms()
    passing = [now, now - 1824 * DAY_MS, now + 365 * DAY_MS]
    refused = [0, 253_402_214_400_000, now - 1826 * DAY_MS, now + 367 * DAY_MS]
    columns = connector(Warehouse("p", "d", None, None), "")["config"]["transforms.eventTime.columns"]
    jars = [built("event-time-guard", PROJECTS / "guard", print), built("connect-worker", PROJECTS / "worker", print)]
    records = [f"{table.topic}:{table.partition_by}:{at}" for table in tables() for at in (*passing, *refused)] + [
        "other-topic:abandoned_at:0"
    ]
    done = subprocess.run(
        [java(), "-cp", ":".join(f"{folder}/*" for folder in jars), f"-Dcolumns={columns}", str(CHECK), *records],
        capture_output=True,
        text=True,
        check=False,
    )
    expected = []
    for table in tables():
        expected += ["passed"] * len(passing) * 2
        for at in refused:
            expected += [f"{table.partition_by}: {at} is not allowed"] * 2
    said = [line.partition(";")[0] for line in done.stdout.splitlines()]
    assert said == [*expected, "passed", "passed", "passed"], done.stderr
