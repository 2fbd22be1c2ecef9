"""Tables of the warehouse, derived from the Avro contracts and never from data."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from journeys.schemas.catalog import own_schemas
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_EVENTS, JOURNEY_LIFECYCLE

Kind = Literal["STRING", "INTEGER", "FLOAT", "BOOLEAN", "TIMESTAMP", "BYTES"]
"""Type of a column, by the name that BigQuery's API gives it."""

_KINDS: Final[dict[str, Kind]] = {
    "string": "STRING",
    "long": "INTEGER",
    "int": "INTEGER",
    "double": "FLOAT",
    "boolean": "BOOLEAN",
    "bytes": "BYTES",
}


class UntranslatableFieldError(Exception):
    """A field of a contract can't be represented as a column."""


class Column(NamedTuple):
    """One column."""

    name: str
    kind: Kind
    is_required: bool
    description: str


class Table(NamedTuple):
    """One table: the records of a topic as rows, at least once. Rows with the same `key` are the same row."""

    name: str
    topic: str
    record: str
    columns: tuple[Column, ...]
    key: str
    partition_by: str
    cluster_by: tuple[str, ...]
    description: str


def tables() -> tuple[Table, ...]:
    """Tables of the output topics that analysts read."""
    return (
        _table(
            JOURNEY_ABANDONMENTS,
            "JourneyAbandoned",
            key="abandonment_id",
            partition_by="abandoned_at",
            cluster_by=("abandonment_reason", "state"),
        ),
        _table(
            JOURNEY_LIFECYCLE,
            "JourneyLifecycle",
            key="lifecycle_id",
            partition_by="occurred_at",
            cluster_by=("kind", "journey_id"),
        ),
    )


def touchpoint_table() -> Table:
    """Table of the touchpoints in the input topic, which has other records, too."""
    return _table(
        JOURNEY_EVENTS,
        "Touchpoint",
        name="journey_touchpoints",
        key="touchpoint_id",
        partition_by="occurred_at",
        cluster_by=("journey_id", "channel"),
    )


def all_tables() -> tuple[Table, ...]:
    """All tables of a dataset: those of the output topics, and that of the touchpoints."""
    return (*tables(), touchpoint_table())


def columns_of(schema: dict[str, Any]) -> tuple[Column, ...]:
    """Columns of an Avro record, in its order; raises UntranslatableFieldError."""
    return tuple(_column(schema["name"], field) for field in schema["fields"])


def _table(
    topic: str, record: str, *, key: str, partition_by: str, cluster_by: tuple[str, ...], name: str | None = None
) -> Table:
    schema = own_schemas()[record]
    # A sink connector makes this name from the topic's.
    name = name or topic.replace("-", "_").replace(".", "_")
    return Table(name, topic, record, columns_of(schema), key, partition_by, cluster_by, schema["doc"])


def _column(record: str, field: dict[str, Any]) -> Column:
    kind, is_required = field["type"], True
    if isinstance(kind, list):
        others = [one for one in kind if one != "null"]
        if len(others) != 1 or len(kind) != 2:
            raise UntranslatableFieldError(
                f"{record}.{field['name']}: {kind!r} has no column; a field may be one type, or null and one type"
            )
        kind, is_required = others[0], False
    return Column(field["name"], _kind(record, field["name"], kind), is_required, field.get("doc", ""))


def _kind(record: str, name: str, kind: Any) -> Kind:
    logical = kind.get("logicalType") if isinstance(kind, dict) else None
    plain = kind["type"] if isinstance(kind, dict) else kind
    if logical == "timestamp-millis":
        return "TIMESTAMP"
    if logical is None and isinstance(plain, str) and plain in _KINDS:
        return _KINDS[plain]
    raise UntranslatableFieldError(
        f"{record}.{name}: {kind!r} has no column; use one of {', '.join(_KINDS)}, or long with timestamp-millis"
    )
