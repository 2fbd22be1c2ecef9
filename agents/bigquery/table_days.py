"""The days of one table, which are its partitions: their checksums, their rows, and their deletion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import grpc
import pyarrow as pa
from google.api_core.exceptions import BadRequest
from google.cloud.bigquery_storage_v1 import BigQueryReadClient, types
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from journeys.agents.bigquery.client import Warehouse
from journeys.agents.bigquery.deployment import column_of
from journeys.agents.settings.operation_error import OperationError
from journeys.analytics.fingerprint import Fingerprint, UncheckableColumnError, is_still, sums
from journeys.analytics.table import Table

_NONE: Final = Fingerprint(0, "0" * 32)


class DeleteRefusedError(OperationError):
    """BigQuery refuses to delete rows, such as rows streamed with `insertAll` in the last 30 minutes."""


@contextmanager
def reading(warehouse: Warehouse) -> Iterator[Any]:
    """Give a client of the Storage Read API; for an emulator without credentials."""
    if warehouse.grpc_endpoint is None:
        with BigQueryReadClient() as read_client:
            yield read_client
        return
    with grpc.insecure_channel(warehouse.grpc_endpoint) as channel:
        yield BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


class TableDays:
    """The days of one table (UTC, by its partition column). `columns` are those of the table in BigQuery."""

    def __init__(self, client: Any, reader: Any, warehouse: Warehouse, table: Table) -> None:
        """`client` and `reader` are of `client.client` and `reading`. Raises NotFound if the table does not exist."""
        self.columns = [column_of(field) for field in client.get_table(f"{warehouse.path}.{table.name}").schema]
        self.table = table
        self._client = client
        self._reader = reader
        self._warehouse = warehouse
        self._source = f"`{warehouse.path}.{table.name}`"

    def fingerprints(self, before: date) -> dict[date, Fingerprint]:
        """Fingerprints of all days before `before` that have rows, in order, from one query."""
        column = self.table.partition_by
        where = f"{column} < {_instant(before)}"
        rows = self._query(self._sums(where, by=f"CAST(DATE({column}) AS STRING)"))
        return {date.fromisoformat(row["part"]): Fingerprint.of(row) for row in rows}

    def fingerprint(self, day: date) -> Fingerprint:
        """Fingerprint of one day."""
        (row,) = self._query(self._sums(self._within(day)))
        return Fingerprint.of(row) if row["row_count"] else _NONE

    def read(self, day: date) -> Iterator[Any]:
        """Yield the present rows of one day as pyarrow.RecordBatch."""
        warehouse = self._warehouse
        session = self._reader.create_read_session(
            parent=f"projects/{warehouse.project}",
            read_session=types.ReadSession(
                table=f"projects/{warehouse.project}/datasets/{warehouse.dataset}/tables/{self.table.name}",
                data_format=types.DataFormat.ARROW,
                read_options=types.ReadSession.TableReadOptions(row_restriction=self._within(day)),
            ),
            max_stream_count=1,
        )
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        for stream in session.streams:
            for answer in self._reader.read_rows(stream.name):
                yield pa.ipc.read_record_batch(pa.py_buffer(answer.arrow_record_batch.serialized_record_batch), schema)

    def delete_if_still(self, day: date, expected: Fingerprint) -> Any:
        """Start a job that deletes a day's rows if they still have the fingerprint, else none of them.

        It is one statement, so check and deletion are atomic; rows that arrive meanwhile are kept. Gives the job, for
        `deleted`. Raises DeleteRefusedError.
        """
        within = self._within(day)
        still = is_still(self._source, self.columns, within, expected)
        with _refusals():
            return self._client.query(f"DELETE FROM {self._source} WHERE {within} AND {still}")  # noqa: S608 - names of the contracts

    def deleted(self, job: Any, day: date) -> bool:
        """Wait for a job of `delete_if_still`, and give whether the rows are deleted. Raises DeleteRefusedError."""
        with _refusals():
            job.result()
        # None deleted and none left: an earlier job deleted them, whose answer was lost.
        return bool(job.num_dml_affected_rows) or self.fingerprint(day).rows == 0

    def _within(self, day: date) -> str:
        column = self.table.partition_by
        return f"{column} >= {_instant(day)} AND {column} < {_instant(day + timedelta(days=1))}"

    def _sums(self, where: str, *, by: str | None = None) -> str:
        try:
            return sums(self._source, self.columns, where, by=by)
        except UncheckableColumnError as error:
            raise OperationError(f"{self.table.name}: {error}") from None

    def _query(self, sql: str) -> list[dict[str, Any]]:
        return [dict(row.items()) for row in self._client.query(sql).result()]


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except BadRequest as error:
        raise DeleteRefusedError(" ".join(str(error.message).split())[:300]) from None


def today() -> date:
    """The current day in UTC."""
    return datetime.now(UTC).date()


def _instant(day: date) -> str:
    return f"TIMESTAMP '{day.isoformat()} 00:00:00+00:00'"
