"""The topic map: every topic with its key, record, and the settings that its meaning needs.

Names here are those without a prefix (JOURNEYS_TOPIC_PREFIX), by which the rule derives ids. Where a topic is read or
written in Kafka, `Settings.topic` adds the prefix.
"""

from __future__ import annotations

from typing import NamedTuple

JOURNEY_EVENTS = "journey-events"
JOURNEY_ABANDONMENTS = "journey-abandonments"
JOURNEY_LIFECYCLE = "journey-lifecycle"
DEAD_LETTERS = "journey-events.dead-letter"
TABLE = "journeys"
SAFE_REPLICAS = 3
"""Copies of each topic from which on the loss of a broker loses and stops nothing."""

DEFAULT_PARTITION_COUNT = 4
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
LEAST_MESSAGE_BYTES = 1024 * 1024
"""What every topic takes in one batch; a worker's batches are smaller."""
_FOR_EVER = "-1"
_DAY_MS = "86400000"
TOMBSTONE_LIFE_MS = 86_400_000
"""How long the changelog keeps a tombstone at least: what was read longer ago may lack deletions."""


class Topic(NamedTuple):
    """One topic: its name, what it holds, and settings that must be as given."""

    name: str
    key: str
    records: tuple[str, ...]
    settings: dict[str, str]

    @property
    def cleanup_policy(self) -> str:
        """`delete` or `compact`."""
        return self.settings["cleanup.policy"]


def changelog_name(application_id: str) -> str:
    """Name that Faust gives the changelog of the journey table."""
    return f"{application_id}-{TABLE}-changelog"


def replica_settings(replication_factor: int) -> dict[str, str]:
    """Settings of a topic that has so many copies: a record is acknowledged when two of three have it."""
    return {"min.insync.replicas": "2"} if replication_factor >= SAFE_REPLICAS else {}


def topic_map(application_id: str, prefix: str = "") -> tuple[Topic, ...]:
    """All topics of one application under their names in Kafka, each with the same number of partitions."""
    # Timestamps are the brokers': a worker's wrong clock must not decide what may be compacted, or where a reader
    # begins that asks by time. A replica that lacks acknowledged records must never become the leader.
    every = {"message.timestamp.type": "LogAppendTime", "unclean.leader.election.enable": "false"}
    # Never compacted, kept for ever: Kafka's default of 7 days is less than one timeout,
    # and a replay needs the whole input.
    kept = every | {
        "cleanup.policy": "delete",
        "retention.ms": _FOR_EVER,
        "retention.bytes": _FOR_EVER,
        "max.message.bytes": str(LEAST_MESSAGE_BYTES),
        "compression.type": "zstd",
    }
    return (
        Topic(
            prefix + JOURNEY_EVENTS,
            "journey_id; none for PolicyChanged, Punctuation, ClockCorrected, TimeSourceChanged and marks",
            (
                "JourneyRegistered",
                "Touchpoint",
                "JourneySignal",
                "JourneyCommand",
                "PolicyChanged",
                "Punctuation",
                "ClockCorrected",
                "TimeSourceChanged",
                "OffsetSkipped",
                "SchemaDecided",
            ),
            kept | {"max.message.bytes": str(MAX_MESSAGE_BYTES)},
        ),
        Topic(prefix + JOURNEY_ABANDONMENTS, "journey_id", ("JourneyAbandoned",), dict(kept)),
        Topic(prefix + JOURNEY_LIFECYCLE, "journey_id", ("JourneyLifecycle",), dict(kept)),
        Topic(prefix + DEAD_LETTERS, "topic:partition:offset of the record", ("DeadLetter",), dict(kept)),
        Topic(
            prefix + changelog_name(application_id),
            "row kind and journey_id, policy_version, schema id or offset of a mark",
            ("JourneyRow", "PartitionRow", "PolicyRow", "SchemaRow", "MarkRow", "StartRow"),
            # A day before anything is compacted: a stale row that a frozen worker wrote late
            # must not be all that is left before the next owner has rewritten the newer one.
            # Not compressed by the broker: a worker waits for each of its writes.
            every
            | {
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": _DAY_MS,
                "delete.retention.ms": str(TOMBSTONE_LIFE_MS),
                "max.message.bytes": str(LEAST_MESSAGE_BYTES),
                "compression.type": "producer",
            },
        ),
    )
