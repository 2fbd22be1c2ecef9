"""Parquet files as `journeys export` writes them, of rows that a test has made."""

import pyarrow.parquet as pq

from journeys.agents.history.arrow_tables import arrow_schema, arrow_table
from journeys.analytics.table import all_tables
from tests.fixtures.hostile import HOSTILE

from .rows import abandonment, touchpoint


def exported(folder, abandonments, told, touchpoints=()):
    """Parquet files as `journeys export` writes them."""
    for table, records in zip(all_tables(), (abandonments, told, touchpoints), strict=True):
        (folder / table.name).mkdir(parents=True)
        found = arrow_table(table, [record._asdict() for record in records])
        pq.write_table(found, folder / table.name / "rows.parquet")
        assert found.schema == arrow_schema(table)
    return folder


def hostile_export(folder):
    """Parquet files with an abandonment for each hostile text, which is its channel and its policy."""
    at = 1_760_000_500_000
    texts = list(enumerate(HOSTILE.values()))
    abandonments = [abandonment(number, policy_version=text, last_touchpoint_at=at) for number, text in texts]
    return exported(folder, abandonments, [], [touchpoint(number, f"j{number}", at, text) for number, text in texts])
