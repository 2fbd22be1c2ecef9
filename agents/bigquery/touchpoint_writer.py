"""Touchpoints of the input topic as rows of their table, at least once.

Punctuations, commands and whatever a worker refuses stand between them, and a committed stream has no holes: each would
end one stream and begin another. So touchpoints go into the table's default stream. A crash may write the last batch
again, which no view shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from journeys.agents.bigquery.client import BigQueryError
from journeys.agents.bigquery.event_time import require_streamable
from journeys.agents.bigquery.patient_writer import PatientWriter
from journeys.agents.bigquery.refused_rows import RefusedRows
from journeys.agents.bigquery.row_encoder import RowEncoder
from journeys.agents.bigquery.write_stream import RowsRefusedError, StreamLostError
from journeys.analytics.table import Table
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import Touchpoint


class TouchpointWriter:
    """Writes the touchpoints among records of the input topic; what is none is left out."""

    def __init__(self, table: Table, writer: PatientWriter, refused: RefusedRows, codec: Codec) -> None:
        self._table = table
        self._writer = writer
        self._refused_rows = refused
        self._codec = codec
        self._encoder = RowEncoder(table)

    async def write(self, records: Sequence[Any]) -> int:
        """Write those of one batch (aiokafka's ConsumerRecord); gives how many. A refused row is a dead letter.

        Raises BigQueryError where there is no table.
        """
        inputs = self._codec.decode_inputs([record.value for record in records])
        now = now_ms()
        rows = []
        for record, found in zip(records, inputs, strict=True):
            if not isinstance(found, Touchpoint):
                continue
            fields = found._asdict()
            try:
                require_streamable(self._table, fields, now)
            except InvalidRecordError as error:
                await self._refused_rows.send(record, str(error))
            else:
                rows.append((record, self._encoder.encode(fields)))
        while rows:
            try:
                encoded = [row for _, row in rows]
                await self._writer.asked("append_to_default", self._table.name, encoded, self._encoder.descriptor)
            except RowsRefusedError as error:
                for place, why in sorted(error.reasons.items()):
                    await self._refused_rows.send(rows[place][0], why)
                rows = [row for place, row in enumerate(rows) if place not in error.reasons]
            except StreamLostError as error:
                raise BigQueryError(f"{self._table.name} takes no rows: {error}; journeys bigquery apply") from error
            else:
                break
        return len(rows)
