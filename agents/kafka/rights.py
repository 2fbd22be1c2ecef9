"""Rights (ACLs) that each role needs in Kafka. A test compares them with docs/security.md.

Read and Write imply Describe. Since Kafka 2.8 an idempotent producer needs no right of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from journeys.schemas.topics import topic_map

Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]
Role = Literal["worker", "setup", "producer", "trainer", "manager", "operator"]
ROLES: Final[tuple[Role, ...]] = ("worker", "setup", "producer", "trainer", "manager", "operator")


class Right(NamedTuple):
    """One operation on one topic or consumer group."""

    operation: Operation
    resource: Literal["topic", "group"]
    name: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource} {self.name}"


def rights_of(role: Role, application_id: str, prefix: str = "") -> tuple[Right, ...]:
    """Rights of a role for one application; `prefix` is that of its topics and its group."""
    everything = tuple(topic.name for topic in topic_map(application_id, prefix))
    inputs, *outputs, changelog = everything
    abandonments, lifecycle, _ = outputs
    group = prefix + application_id
    settings = _on(everything, "DescribeConfigs")
    if role == "worker":
        both = _on((inputs, changelog), "Read", "Write")
        return (*both, *_on(outputs, "Write"), *settings, Right("Read", "group", group))
    if role == "setup":
        return (*_on(everything, "Create", "Describe"), *settings)
    if role == "producer":
        return _on((inputs,), "Write")
    if role == "trainer":
        return _on((abandonments, lifecycle), "Read")
    if role == "manager":
        return (*_on((*outputs, changelog), "Read"), *_on((inputs,), "Write"))
    read = _on((inputs, *outputs, changelog), "Read")
    return (
        *read,
        *_on((inputs, lifecycle), "Write"),
        *settings,
        Right("Describe", "group", group),
    )


def creation_rights(application_id: str, prefix: str = "") -> tuple[Right, ...]:
    """Rights that a worker needs in addition to create missing topics (JOURNEYS_CREATE_TOPICS)."""
    return _on(tuple(topic.name for topic in topic_map(application_id, prefix)), "Create")


def acl_command(rights: Iterable[Right], principal: str, servers: str) -> str:
    """Command line of kafka-acls.sh that grants a principal one operation on resources of one kind."""
    operations, resources, names = zip(*rights, strict=True)
    (operation,), (resource,) = set(operations), set(resources)
    options = " ".join(f"--{resource} {name}" for name in names)
    return (
        f"kafka-acls.sh --bootstrap-server {servers} --add --allow-principal {principal} "
        f"--operation {operation} {options}"
    )


def _on(topics: Iterable[str], *operations: Operation) -> tuple[Right, ...]:
    names = tuple(topics)
    return tuple(Right(operation, "topic", name) for operation in operations for name in names)
