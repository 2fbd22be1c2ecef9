"""Identity of topics: the id that Kafka gives each of them, and its number of partitions.

A topic that is deleted and created again keeps its name and loses its records; its id is another one. The table stores
the ids of the topics that it was made from (PartitionRow), and a worker looks at them while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from aiokafka.errors import IncompatibleBrokerVersion

from journeys.agents.kafka.metadata import NO_ID, Metadata
from journeys.schemas.topics import JOURNEY_EVENTS, TABLE

_UNKNOWN_TOPIC: Final = 3
_CHANGELOG_END: Final = f"-{TABLE}-changelog"


class TopicIdentity(NamedTuple):
    """A topic as it is. `topic_id` is the text of a UUID."""

    topic_id: str
    partition_count: int


Identities: TypeAlias = dict[str, TopicIdentity | None]
"""By name of the topic; None where it does not exist. A topic that can't be looked at is left out."""


async def topic_identities(client: Any, names: Sequence[str]) -> Identities:
    """Ask Kafka for the identities of topics; `client` is a started AIOKafkaClient. Creates no topic.

    Empty where Kafka has no topic ids (it is older than 2.8). Raises aiokafka's errors while no broker answers.
    """
    try:
        answer = await client.send(client.get_random_node(), Metadata(names))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return {}
    found: Identities = {}
    for error_code, name, topic_id, _, partitions, _, _ in answer.topics:
        if error_code == _UNKNOWN_TOPIC:
            found[name] = None
        elif not error_code and topic_id != NO_ID:
            found[name] = TopicIdentity(str(topic_id), len(partitions))
    return found


def changed_topics(known: Mapping[str, TopicIdentity], now: Identities) -> list[str]:
    """One line for each topic that is not what it was: what has changed, and what to do."""
    lines: list[str] = []
    for name, was in known.items():
        if name not in now or now[name] == was:
            continue
        found = now[name]
        if found is None:
            lines.append(f"the topic {name} was deleted: {_after_deletion(name)}")
        elif found.topic_id != was.topic_id:
            lines.append(_replaced(name, found.topic_id, was.topic_id))
        else:
            lines.append(_recounted(name, found.partition_count, was.partition_count))
    return lines


def replaced_topics(stored: Mapping[str, str] | None, present: Mapping[str, str]) -> list[str]:
    """One line for each topic whose id is not the one that the table has stored: what is, and what to do."""
    if stored is None:
        return []
    return [
        _replaced(name, present[name], was) for name, was in stored.items() if name in present and present[name] != was
    ]


def ids_of(identities: Mapping[str, TopicIdentity | None]) -> dict[str, str]:
    """Ids of the topics that exist, by name: what the table stores."""
    return {name: found.topic_id for name, found in identities.items() if found is not None}


def _replaced(name: str, topic_id: str, was: str) -> str:
    return (
        f"{name} is another topic than the one that the table was made with (its id is {topic_id}, the table has "
        f"{was}): it was deleted and created again, or this is another cluster; {_after_deletion(name)}"
    )


def _after_deletion(name: str) -> str:
    if name.endswith(_CHANGELOG_END):
        return "stop all workers and make the table anew from the input topic with `journeys check --rebuild`"
    if name.endswith(JOURNEY_EVENTS):  # behind a prefix
        what = "what it holds is read from its beginning"
    else:
        what = "everything is published again, under the same ids,"
    return (
        "stop all workers, let `journeys topics create` make what is missing, and start them with a new "
        f"JOURNEYS_APPLICATION_ID: {what} into a new table (docs/topics.md)"
    )


def _recounted(name: str, count: int, was: int) -> str:
    return (
        f"{name} has {count} partitions, it had {was} when this worker began: partitions can't be taken away, and "
        "journeys would be looked for in partitions where they are not; stop all workers and copy the input into new "
        f"topics, `journeys topics copy NEW.env --partitions {count}` (docs/topics.md)"
    )
