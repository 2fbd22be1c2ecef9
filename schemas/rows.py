"""The rows of the journey table, fields in the order of their Avro schemas, and their keys."""

from __future__ import annotations

from typing import NamedTuple

PARTITION_KEY = b"p"
_JOURNEY = b"j"
_POLICY = b"v"


class PartitionRow(NamedTuple):
    """Everything up to `applied_offset` is out and stored."""

    applied_offset: int
    clock: int | None
    time_source: str | None
    policy_version: str
    partition_count: int


class PolicyRow(NamedTuple):
    """A policy that the partition has seen."""

    offset: int
    policy_version: str
    policy: str


def journey_key(journey_id: str) -> bytes:
    """Table key of a journey's row."""
    return _JOURNEY + journey_id.encode()


def policy_key(policy_version: str) -> bytes:
    """Table key of a policy's row."""
    return _POLICY + policy_version.encode()


def journey_of(key: bytes) -> str | None:
    """Journey of a table key; None for the key of a partition or policy row."""
    return key[1:].decode() if key[:1] == _JOURNEY else None
