"""Converts records of the changelog to updates of journeys, and collects the policies.

The last row of a journey counts. A frozen worker may write an old row late; the worker that owns the partition then
writes the right one after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from journeys.schemas.codec import Codec
from journeys.schemas.rows import PARTITION_KEY, PartitionRow, PolicyRow, is_policy, journey_of
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy, policy_from_json
from journeys.streams.stored.restored_rows import rows_of
from journeys.streams.stored.schema_rows import learn_schemas
from training_orchestrator.backend.journey_update import JourneyUpdate
from training_orchestrator.mirror.mirror_source import KnownPolicies


class TableRows:
    """Reads the changelog's records; each partition's must come in their order."""

    def __init__(self) -> None:
        self.codec = Codec()
        self._policies: dict[str, Policy] = {DEFAULT_POLICY.version: DEFAULT_POLICY}
        self._in_force: dict[int, str] = {}

    def policies(self) -> KnownPolicies:
        """Policies of all partitions; the one in force is that of the first partition that has one."""
        version = self._in_force[min(self._in_force)] if self._in_force else DEFAULT_POLICY.version
        return KnownPolicies(self._policies[version], dict(self._policies))

    def take(self, partition: int, records: Sequence[Any]) -> Iterator[list[JourneyUpdate]]:
        """Yield the updates in the next records. Raises UnreadableRowError, InvalidRecordError."""
        last: dict[bytes, bytes | None] = {record.key: record.value for record in records}
        learn_schemas(last.items(), self.codec)
        for key, value in last.items():
            if value is not None and is_policy(key):
                policy_row: PolicyRow = self.codec.decode(value)
                self._policies[policy_row.policy_version] = policy_from_json(policy_row.policy)
        own = last.get(PARTITION_KEY)
        if own is not None:
            partition_row: PartitionRow = self.codec.decode(own)
            self._in_force[partition] = partition_row.policy_version
        journeys = [(name, value) for key, value in last.items() if (name := journey_of(key)) is not None]
        deleted = [JourneyUpdate(name, None) for name, value in journeys if value is None]
        if deleted:
            yield deleted
        stored = [(name, value) for name, value in journeys if value is not None]
        for rows in rows_of(stored, self._policies, self.codec):
            yield [JourneyUpdate.of_row(row) for row in rows]
