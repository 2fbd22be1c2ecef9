"""The topics as they must be: created, checked against the topic map, required by workers."""

from __future__ import annotations

from typing import Literal, NamedTuple

from agents.operation_error import OperationError
from agents.settings import Settings


class TopicOutcome(NamedTuple):
    """What `create_topics` did about one topic."""

    topic: str
    created: bool
    """False for a topic that existed."""
    partition_count: int


class Problem(NamedTuple):
    """One thing that is not as the topic map says: what is, what should be, the command that mends it."""

    severity: Literal["error", "warning"]
    topic: str
    text: str


class TopicSetupError(OperationError):
    """The topics are not fit for a worker. `problems` holds the errors, the text has one line for each."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.text for problem in problems))
        self.problems = problems


async def create_topics(settings: Settings) -> list[TopicOutcome]:
    """Create the topics that are missing, in the order of the topic map, and wait until they can be used.

    They get the partition count of those that exist, else `settings.partitions`.
    Raises TopicSetupError where the broker refuses one, KafkaUnreachableError.
    """
    raise NotImplementedError


async def check_topics(settings: Settings) -> list[Problem]:
    """Compare the topics with the topic map. Changes nothing. Raises KafkaUnreachableError."""
    raise NotImplementedError


async def require_topics(settings: Settings) -> int:
    """Partition count of topics that are fit for a worker, created first if they are missing and settings allow.

    Raises TopicSetupError with every error that is found, KafkaUnreachableError. Warnings are logged.
    """
    raise NotImplementedError


async def partition_counts(settings: Settings) -> dict[str, int]:
    """Partitions of every topic that exists. Never creates one. Raises KafkaUnreachableError."""
    raise NotImplementedError
