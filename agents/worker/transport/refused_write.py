"""Ends the worker on writes that Kafka refuses permanently, with a message that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.schemas.topics import LEAST_MESSAGE_BYTES


@contextmanager
def ends_where_refused(topic: str) -> Iterator[None]:
    """End the process if a write to `topic` is refused permanently; other errors are raised on.

    Nothing is lost: what was not acknowledged is applied again after a restart.
    """
    try:
        yield
    except TopicAuthorizationFailedError:
        # The restart checks all rights and names the missing one, with the command that grants it.
        end_now(WorkerExit.FAILED, f"no right to Write topic {topic} any more")
    except InvalidTimestampError:
        end_now(
            WorkerExit.CLOCK,
            f"{topic} refuses a batch because its time is too far from the broker's: set the wrong clock right (NTP), "
            "and start the worker again",
        )
    except (MessageSizeTooLargeError, RecordListTooLargeError):
        end_now(
            WorkerExit.SETUP,
            f"{topic} refuses a batch as too large: its max.message.bytes and segment.bytes should be at least "
            f"{LEAST_MESSAGE_BYTES}; `journeys topics check` has the command, then start the worker again",
        )


def require_growth(topic: str, number: int, base: int, expected: int) -> None:
    """End the process if a write to the changelog got an offset below the end that it had before.

    This happens only if the topic was deleted and created again: to one that was truncated, Kafka refuses an idempotent
    write. The table's contents are lost, and a worker that restored from the rest would begin journeys again.
    """
    if base < expected:
        end_now(
            WorkerExit.SETUP,
            f"{topic}[{number}] was deleted and created again: it was written up to offset {expected - 1}, and is "
            f"now at {base}; stop all workers and "
            "rebuild the table from the input topic with `journeys check --rebuild`",
        )
