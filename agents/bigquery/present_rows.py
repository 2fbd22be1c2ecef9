"""Which rows a table has: asked only where a stream that would know is gone."""

from __future__ import annotations

from collections.abc import Sequence

from google.cloud import bigquery

from journeys.agents.bigquery.client import Warehouse, client
from journeys.analytics.table import Table


def present_keys(house: Warehouse, table: Table, keys: Sequence[str]) -> set[str]:
    """Those of the keys that have a row; raises BigQueryError."""
    sql = f"SELECT DISTINCT {table.key} FROM `{house.path}.{table.name}` WHERE {table.key} IN UNNEST(@keys)"  # noqa: S608 - names of the contracts
    given = bigquery.QueryJobConfig(query_parameters=[bigquery.ArrayQueryParameter("keys", "STRING", list(keys))])
    with client(house) as asked:
        return {key for (key,) in asked.query(sql, job_config=given).result()}
