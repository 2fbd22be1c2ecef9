"""Looks up which rows a table has; needed only if the stream that would report it is gone."""

from __future__ import annotations

from collections.abc import Sequence

from google.cloud import bigquery

from journeys.agents.bigquery.client import Warehouse, client
from journeys.analytics.table import Table


def present_keys(warehouse: Warehouse, table: Table, keys: Sequence[str]) -> set[str]:
    """Those of the keys that have a row in the table; raises BigQueryError."""
    sql = f"SELECT DISTINCT {table.key} FROM `{warehouse.path}.{table.name}` WHERE {table.key} IN UNNEST(@keys)"  # noqa: S608 - names of the contracts
    config = bigquery.QueryJobConfig(query_parameters=[bigquery.ArrayQueryParameter("keys", "STRING", list(keys))])
    with client(warehouse) as bigquery_client:
        return {key for (key,) in bigquery_client.query(sql, job_config=config).result()}
