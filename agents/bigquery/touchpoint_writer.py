"""Writes touchpoints of the input topic into their table, at least once.

The topic has other records between them, and a committed stream has no gaps: each would end one stream and begin
another. So touchpoints are written to the table's default stream. A crash may repeat the last batch; views show each
touchpoint once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from journeys.agents.bigquery.client import BigQueryError
from journeys.agents.bigquery.event_time import require_streamable
from journeys.agents.bigquery.refused_rows import RefusedRows
from journeys.agents.bigquery.retrying_writer import RetryingWriter
from journeys.agents.bigquery.row_encoder import RowEncoder
from journeys.agents.bigquery.write_stream import RowsRefusedError, StreamLostError
from journeys.analytics.table import Table
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.marks import Marks
from journeys.schemas.records import Touchpoint
from journeys.streams.partition.log_entries import marked_inputs


class TouchpointWriter:
    """Writes the touchpoints among records of the input topic; other records are skipped."""

    def __init__(self, table: Table, writer: RetryingWriter, refused: RefusedRows, codec: Codec) -> None:
        self._table = table
        self._writer = writer
        self._refused_rows = refused
        self._codec = codec
        self._encoder = RowEncoder(table)

    async def write(self, records: Sequence[Any], marks: Marks) -> int:
        """Write the touchpoints among ConsumerRecords; gives their number. Refused ones become dead letters.

        `marks` are those of their partition.

        Raises BigQueryError if the table does not exist.
        """
        inputs = marked_inputs(records, self._codec, marks)
        now = now_ms()
        rows = []
        for record, decoded in zip(records, inputs, strict=True):
            if not isinstance(decoded, Touchpoint):
                continue
            fields = decoded._asdict()
            try:
                require_streamable(self._table, fields, now)
            except InvalidRecordError as error:
                await self._refused_rows.send(record, str(error))
            else:
                rows.append((record, self._encoder.encode(fields)))
        while rows:
            try:
                encoded = [row for _, row in rows]
                await self._writer.call("append_to_default", self._table.name, encoded, self._encoder.descriptor)
            except RowsRefusedError as error:
                for place, why in sorted(error.reasons.items()):
                    await self._refused_rows.send(rows[place][0], why)
                rows = [row for place, row in enumerate(rows) if place not in error.reasons]
            except StreamLostError as error:
                raise BigQueryError(
                    f"{self._table.name} takes no rows: {error}; create it with journeys bigquery apply"
                ) from error
            else:
                break
        return len(rows)
