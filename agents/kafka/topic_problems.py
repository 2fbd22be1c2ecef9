"""Compares existing topics with the topic map. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from journeys.schemas.topics import JOURNEY_EVENTS, Topic

Severity = Literal["error", "warning"]

# Settings whose wrong value loses data or changes decisions. A wrong value of the others is a warning: it may cost
# records that a replay needs, room for large records, or the time to repair what a frozen worker wrote.
_ERRORS: Final = frozenset({"cleanup.policy", "message.timestamp.type", "delete.retention.ms"})
_AT_LEAST: Final = frozenset({"max.message.bytes", "min.compaction.lag.ms", "delete.retention.ms"})


class Problem(NamedTuple):
    """One difference from the topic map. `text` has the actual value, the expected one and the command to fix it."""

    severity: Severity
    topic: str
    text: str


class TopicState(NamedTuple):
    """An existing topic. `settings` are those in force; None if this client may not read them."""

    partition_count: int
    settings: Mapping[str, str] | None


def problems(topics: Sequence[Topic], states: Mapping[str, TopicState], servers: str) -> list[Problem]:
    """Problems in the order of the topic map; `states` by name, `servers` for the commands."""
    differences: list[Problem] = []
    reference = next((topic.name for topic in topics if topic.name in states), JOURNEY_EVENTS)
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
        differences.extend(_setting_problems(topic, state, servers))
    return differences


def create_command(topic: Topic, count: int, replication_factor: int, servers: str) -> str:
    """Command line of kafka-topics.sh that creates the topic."""
    settings = " ".join(f"--config {name}={value}" for name, value in topic.settings.items())
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


def _setting_problems(topic: Topic, state: TopicState, servers: str) -> Iterator[Problem]:
    if state.settings is None:
        text = f"{topic.name}: its settings may not be read by this user, so they were not checked: `kafka-acls.sh`"
        yield Problem("warning", topic.name, f"{text} can allow DescribeConfigs")
        return
    for name, wanted in topic.settings.items():
        value = state.settings.get(name)
        if value is None or _is_fine(name, value, wanted):
            continue
        at_least = "at least " if name in _AT_LEAST else ""
        command = (
            f"kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {topic.name} "
            f"--add-config {name}={wanted}"
        )
        yield Problem(
            "error" if name in _ERRORS else "warning",
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
    if name == "delete.retention.ms":
        return " (so long may rows on a worker's disk lack a deletion)"
    return ""
