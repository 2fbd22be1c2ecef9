"""The table carries the schemas of its own rows, so that a worker of an earlier version can read them too.

Without that only a registry could tell it, after a roll-back: a schema id on the wire is a name, and the fingerprint
of a schema that was made later is not known to what was there before.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from typing import Final

from journeys.schemas.catalog import own_schemas
from journeys.schemas.codec import Codec, plain_codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.rows import SchemaRow, is_schema, schema_key
from journeys.streams.stored.stored_row import StoredRow

_ROWS: Final = ("JourneyRow", "PartitionRow", "PolicyRow")
_NO_RECORD: Final = 0


def missing_schemas(keys: Container[bytes], codec: Codec) -> list[StoredRow]:
    """Rows of the schemas under which this codec writes rows, without those whose key the table has."""
    ids = {name: codec.catalog.id_of(name) for name in _ROWS}
    return [
        StoredRow(
            schema_key(schema_id), plain_codec().encode(SchemaRow(_NO_RECORD, schema_id, _text(name))), _NO_RECORD
        )
        for name, schema_id in ids.items()
        if schema_key(schema_id) not in keys
    ]


def learn_schemas(rows: Iterable[tuple[bytes, object]], codec: Codec) -> None:
    """Take the schemas that the table's rows tell into the catalog; what it knows already stays.

    `rows` are of any kind, key and wire bytes. One that can't be read tells nothing: whoever needs it will say so.
    """
    for key, value in rows:
        if not is_schema(key) or not isinstance(value, bytes):
            continue
        try:
            row = codec.decode(value)
        except InvalidRecordError:
            continue
        if isinstance(row, SchemaRow) and not codec.catalog.knows(row.schema_id):
            codec.catalog.learn(row.schema_id, row.schema)


def _text(name: str) -> str:
    return json.dumps(own_schemas()[name])
