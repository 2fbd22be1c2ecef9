"""Parquet files as `journeys export` writes them, of rows that a test has made."""

import pyarrow.parquet as pq

from journeys.agents.history.arrow_tables import arrow_schema, arrow_table
from journeys.analytics.table import all_tables


def exported(folder, abandonments, told, touchpoints=()):
    """Parquet files as `journeys export` writes them."""
    for table, records in zip(all_tables(), (abandonments, told, touchpoints), strict=True):
        (folder / table.name).mkdir(parents=True)
        found = arrow_table(table, [record._asdict() for record in records])
        pq.write_table(found, folder / table.name / "rows.parquet")
        assert found.schema == arrow_schema(table)
    return folder
