"""The rows of the journey table, fields in the order of their Avro schemas, and their keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

PARTITION_KEY = b"p"
_JOURNEY = b"j"
_POLICY = b"v"
_SCHEMA = b"s"
_MARK = b"m"
START_KEY = b"n"


class PartitionRow(NamedTuple):
    """Everything up to `applied_offset` is out and stored."""

    applied_offset: int
    clock: int | None
    time_source: str | None
    policy_version: str
    partition_count: int
    rule_version: int | None = None
    unknown_late_until: int | None = None
    topic_ids: dict[str, str] | None = None
    corrected_clocks: dict[str, int] | None = None


class PolicyRow(NamedTuple):
    """A policy that the partition has seen."""

    offset: int
    policy_version: str
    policy: str


class SchemaRow(NamedTuple):
    """A schema under which rows of the table are written. Its own schema never changes."""

    offset: int
    schema_id: int
    schema: str


class MarkRow(NamedTuple):
    """A mark that the partition has read. Its own schema never changes."""

    offset: int
    mark: bytes


class StartRow(NamedTuple):
    """So many workers have begun at an input offset, and did not get past it."""

    offset: int
    starts: int


def journey_key(journey_id: str) -> bytes:
    """Table key of a journey's row."""
    return _JOURNEY + journey_id.encode()


def policy_key(policy_version: str) -> bytes:
    """Table key of a policy's row."""
    return _POLICY + policy_version.encode()


def schema_key(schema_id: int) -> bytes:
    """Table key of a schema's row."""
    return _SCHEMA + str(schema_id).encode()


def is_journey(key: bytes) -> bool:
    """Whether it is the key of a journey's row."""
    return key.startswith(_JOURNEY)


def mark_key(offset: int) -> bytes:
    """Table key of a mark's row."""
    return _MARK + str(offset).encode()


def is_mark(key: bytes) -> bool:
    """Whether it is the key of a mark's row."""
    return key.startswith(_MARK)


def is_policy(key: bytes) -> bool:
    """Whether it is the key of a policy's row."""
    return key.startswith(_POLICY)


def is_schema(key: bytes) -> bool:
    """Whether it is the key of a schema's row."""
    return key.startswith(_SCHEMA)


def journey_keys(journey_ids: Iterable[str]) -> list[bytes]:
    """Table keys of many journeys' rows."""
    return [_JOURNEY + journey_id.encode() for journey_id in journey_ids]


def journey_of(key: bytes) -> str | None:
    """Journey of a table key; None for the key of any other row."""
    return key[1:].decode() if key.startswith(_JOURNEY) else None
