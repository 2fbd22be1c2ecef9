"""What queries cost: the bytes that BigQuery says it would read, by dry runs, which cost nothing."""

from __future__ import annotations

from typing import Any

from google.cloud import bigquery

from journeys.agents.bigquery.client import Warehouse
from journeys.analytics.query import queries


def report_bytes(client: Any, house: Warehouse, since: int, until: int) -> dict[str, int]:
    """Bytes that each query of a report over `since` up to and without `until` (ms) reads, by its name.

    Raises what the client raises, NotFound where a table or view is missing. An emulator says 0.
    """
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    return {
        query.name: int(client.query(query.sql(house.path, since, until), job_config=config).total_bytes_processed)
        for query in queries()
    }
