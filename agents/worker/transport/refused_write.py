"""Writes that Kafka refuses, and will refuse again: how the worker ends, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.schemas.topics import LEAST_MESSAGE_BYTES


@contextmanager
def ends_where_refused(topic: str) -> Iterator[None]:
    """End the process where a write to `topic` is refused for good; other errors go on.

    Nothing is lost by it: what was not acknowledged is done again.
    """
    try:
        yield
    except TopicAuthorizationFailedError:
        # A restart asks for all rights and names the one that is missing, with the command that gives it.
        end_now(WorkerExit.FAILED, f"no right to Write topic {topic} any more")
    except (MessageSizeTooLargeError, RecordListTooLargeError):
        end_now(
            WorkerExit.SETUP,
            f"{topic} refuses a batch as too large: its max.message.bytes and segment.bytes should be at least "
            f"{LEAST_MESSAGE_BYTES}; `journeys topics check` has the command, then start the worker again",
        )


def require_growth(topic: str, number: int, base: int, expected: int) -> None:
    """End the process where the changelog answers with an offset below the one that it had reached.

    Only a topic that was created anew does so: of one that has lost its end, Kafka refuses an idempotent write. What
    the table held is gone, and a worker that restored from what is left would begin journeys again.
    """
    if base < expected:
        end_now(
            WorkerExit.SETUP,
            f"{topic}[{number}] was created anew: it was written up to offset {expected - 1}, and is now at {base}; "
            "stop all workers and make the table from the input topic with `journeys check --rebuild`",
        )
