"""Costs of queries: the bytes that they would read, from dry runs, which are free."""

from __future__ import annotations

from typing import Any

from google.cloud import bigquery

from journeys.agents.bigquery.client import Warehouse
from journeys.analytics.query import queries


def report_bytes(client: Any, warehouse: Warehouse, since: int, until: int) -> dict[str, int]:
    """Bytes that each query of a report from `since` up to and without `until` (ms) would read, by query name.

    Raises what the client raises, such as NotFound for a missing table or view. An emulator reports 0.
    """
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    return {
        query.name: int(client.query(query.sql(warehouse.path, since, until), job_config=config).total_bytes_processed)
        for query in queries()
    }
