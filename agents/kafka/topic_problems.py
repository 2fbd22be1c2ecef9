"""Compares existing topics with the topic map. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from journeys.schemas.topics import SAFE_REPLICAS, Topic, replica_settings

Severity = Literal["error", "warning"]

# Settings whose wrong value loses data or changes decisions. A wrong value of the others is a warning: it may cost
# records that a replay needs, room for large records, or the time to repair what a frozen worker wrote.
_ERRORS: Final = frozenset(
    {"cleanup.policy", "delete.retention.ms", "min.insync.replicas", "unclean.leader.election.enable"}
)
_AT_LEAST: Final = frozenset(
    {"max.message.bytes", "min.compaction.lag.ms", "delete.retention.ms", "min.insync.replicas"}
)
_TIMESTAMPS: Final = "message.timestamp.type"
COMMITTED_OFFSETS: Final = "__consumer_offsets"
"""Kafka's own topic of what groups have committed."""


class Problem(NamedTuple):
    """One difference from the topic map. `text` has the actual value, the expected one and the command to fix it."""

    severity: Severity
    topic: str
    text: str


class TopicState(NamedTuple):
    """An existing topic. `settings` are those in force; None if this client may not read them."""

    partition_count: int
    settings: Mapping[str, str] | None
    copies: int | None = None
    """Replicas of its partition that has the fewest; None where that is not known."""


class Cluster(NamedTuple):
    """What the check knows of the brokers. `servers` are for the commands that it names."""

    servers: str
    broker_count: int = 1
    one_copy_is_meant: bool = False
    """Whether the settings ask for a single copy by name."""
    copies_of_offsets: int | None = None
    """Replicas of `__consumer_offsets`; None where there is none yet."""


def problems(topics: Sequence[Topic], states: Mapping[str, TopicState], cluster: Cluster) -> list[Problem]:
    """Problems in the order of the topic map, whose first topic is the input; `states` by name."""
    differences: list[Problem] = []
    reference = next((topic.name for topic in topics if topic.name in states), "")
    for topic in topics:
        state = states.get(topic.name)
        if state is None:
            text = f"{topic.name} does not exist: create it with `journeys topics create`"
            differences.append(Problem("error", topic.name, text))
            continue
        wanted = states[reference].partition_count
        if state.partition_count != wanted:
            text = _other_count(topic.name, state.partition_count, reference, wanted)
            differences.append(Problem("error", topic.name, text))
        differences.extend(_copy_problems(topic.name, state.copies, cluster))
        is_input = topic is topics[0]
        differences.extend(_setting_problems(topic, state, cluster.servers, is_input=is_input))
    if cluster.copies_of_offsets is not None and cluster.copies_of_offsets < min(SAFE_REPLICAS, cluster.broker_count):
        text = (
            f"{COMMITTED_OFFSETS} has {cluster.copies_of_offsets} replica on {cluster.broker_count} brokers: while its "
            "broker is away no group can work; add replicas with `kafka-reassign-partitions.sh`, and set "
            "offsets.topic.replication.factor=3"
        )
        differences.append(Problem("warning", COMMITTED_OFFSETS, text))
    return differences


def create_command(topic: Topic, count: int, replication_factor: int, servers: str) -> str:
    """Command line of kafka-topics.sh that creates the topic."""
    wanted = topic.settings | replica_settings(replication_factor)
    settings = " ".join(f"--config {name}={value}" for name, value in wanted.items())
    return (
        f"`kafka-topics.sh --bootstrap-server {servers} --create --topic {topic.name} --partitions {count} "
        f"--replication-factor {replication_factor} {settings}`"
    )


def _other_count(name: str, count: int, reference: str, wanted: int) -> str:
    return (
        f"{name} has {count} partitions but {reference} has {wanted}, and one count must hold for all from their first "
        "record on: copy the input into new topics, `journeys topics copy NEW.env --partitions N` (docs/topics.md). "
        "Where nothing was written yet, delete them all and run `journeys topics create`. Don't raise the count of "
        "topics in use: journeys would be looked for in partitions where they are not"
    )


def _copy_problems(name: str, copies: int | None, cluster: Cluster) -> Iterator[Problem]:
    if copies is None or cluster.broker_count == 1 or copies >= min(SAFE_REPLICAS, cluster.broker_count):
        return
    is_one = copies == 1
    meant = " (as JOURNEYS_REPLICATION_FACTOR=1 says)" if is_one and cluster.one_copy_is_meant else ""
    loss = "what its broker loses is lost" if is_one else "one broker's loss stops it or leaves no second copy"
    text = (
        f"{name} has {copies} of {SAFE_REPLICAS} replicas on a cluster of {cluster.broker_count} brokers{meant}: "
        f"{loss}; add replicas with `kafka-reassign-partitions.sh --bootstrap-server {cluster.servers}`"
    )
    if is_one and not cluster.one_copy_is_meant:
        yield Problem("error", name, f"{text}, or say that one is meant with JOURNEYS_REPLICATION_FACTOR=1")
    else:
        yield Problem("warning", name, text)


def _setting_problems(topic: Topic, state: TopicState, servers: str, *, is_input: bool) -> Iterator[Problem]:
    if state.settings is None:
        text = f"{topic.name}: its settings may not be read by this user, so they were not checked: `kafka-acls.sh`"
        yield Problem("warning", topic.name, f"{text} can allow DescribeConfigs")
        return
    for name, wanted in (topic.settings | replica_settings(state.copies or 0)).items():
        value = state.settings.get(name)
        if value is None or _is_fine(name, value, wanted):
            continue
        at_least = "at least " if name in _AT_LEAST else ""
        command = (
            f"kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {topic.name} "
            f"--add-config {name}={wanted}"
        )
        yield Problem(
            # Only of the input topic an append time decides anything.
            "error" if name in _ERRORS or (name == _TIMESTAMPS and is_input) else "warning",
            topic.name,
            f"{topic.name} has {name}={value}, it should be {at_least}{wanted}{_why(name)}: `{command}`",
        )


def _is_fine(name: str, value: str, wanted: str) -> bool:
    if name in _AT_LEAST:
        return int(value) >= int(wanted)
    return value == wanted


def _why(name: str) -> str:
    if name.startswith("retention."):
        return " (a replay needs every record)"
    if name == "min.insync.replicas":
        return " (else a record counts as acknowledged that one broker has)"
    if name == "unclean.leader.election.enable":
        return " (else acknowledged records may be thrown away)"
    if name == "delete.retention.ms":
        return " (so long may rows on a worker's disk lack a deletion)"
    return ""
