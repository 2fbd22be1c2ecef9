"""What aiokafka knows of this worker's place in its consumer group, and keeps to itself.

Faust never asks: a group that refuses the worker gets one line in the log, and then nothing happens any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from aiokafka import errors
from aiokafka.errors import BrokerResponseError

_KEPT_LOSSES: Final = 100


class GroupMaxSizeReachedError(BrokerResponseError):  # type: ignore[misc]  # aiokafka publishes no types
    """The group has as many members as `group.max.size` of the brokers allows; aiokafka has no name for it."""

    errno = 81
    message = "GROUP_MAX_SIZE_REACHED"


class FencedInstanceIdError(BrokerResponseError):  # type: ignore[misc]  # aiokafka publishes no types
    """Another member has taken this one's group.instance.id; aiokafka has no name for it."""

    errno = 82
    message = "FENCED_INSTANCE_ID"


def name_more_errors() -> None:
    """Teach aiokafka the codes above: it calls them unknown, and the code itself is lost."""
    for error in (GroupMaxSizeReachedError, FencedInstanceIdError):
        errors.kafka_errors.setdefault(error.errno, error)


class GroupMembership:
    """Membership of the group that an AIOKafkaConsumer joins."""

    def __init__(self, consumer: Callable[[], Any]) -> None:
        """`consumer` gives the current AIOKafkaConsumer, or None before its thread has started."""
        self._consumer = consumer
        self._losses: deque[float] = deque(maxlen=_KEPT_LOSSES)

    @property
    def _coordinator(self) -> Any:
        consumer = self._consumer()
        return None if consumer is None else consumer._coordinator

    @property
    def is_member(self) -> bool:
        """Whether the group has taken it in, and has no rebalance to be joined."""
        coordinator = self._coordinator
        if coordinator is None:
            return False
        subscription = coordinator._subscription.subscription
        has_assignment = subscription is not None and subscription.assignment is not None
        return coordinator.generation > 0 and has_assignment and not coordinator._rejoin_needed_fut.done()

    @property
    def error(self) -> BaseException | None:
        """Error after which aiokafka has stopped to join, to send heartbeats or both; None while it goes on."""
        coordinator = self._coordinator
        if coordinator is None:
            return None
        task = coordinator._coordination_task
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            return error.__cause__ or error  # type: ignore[no-any-return]
        pending: BaseException | None = coordinator._pending_exception
        return pending

    @property
    def instance_id(self) -> str | None:
        """The `group.instance.id` by which the group knows it; None of a member without one."""
        coordinator = self._coordinator
        return None if coordinator is None else coordinator._group_instance_id

    def note_losses(self, coordinator: Any) -> None:
        """Note from now on when the group did not know this member any more."""
        reset = coordinator.reset_generation

        def reset_noted() -> None:
            self._losses.append(monotonic())
            reset()

        coordinator.reset_generation = reset_noted

    def losses_within(self, seconds: float) -> int:
        """How often the membership was lost in the last so many seconds."""
        since = monotonic() - seconds
        return sum(at >= since for at in list(self._losses))
