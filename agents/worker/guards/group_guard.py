"""The group guard: ends a worker that its group does not take in, or that has no work while partitions lie idle.

aiokafka stops to join at an error and leaves it to the caller to ask; Faust does not ask. Such a worker would live on
without partitions. A worker that is one too many is none of these: it waits to take over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    TopicAuthorizationFailedError,
)

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.worker.guards import patience
from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.agents.worker.transport.group_membership import FencedInstanceIdError, GroupMaxSizeReachedError

if TYPE_CHECKING:
    from journeys.agents.kafka.group_members import Group
    from journeys.agents.worker.ports.worker_ports import Membership
    from journeys.agents.worker.restore.restore_progress import RestoreProgress
    from journeys.agents.worker.transport.group_membership import GroupMembership

log = logging.getLogger("journeys.group")
_LOOK_EVERY_SECONDS: Final = 1.0
# A membership that ends because of missing heartbeats has lasted for a session. One that is lost more often than that
# is taken by somebody else.
_SESSIONS_LOOKED_AT: Final = 10


_OWN_FOLDER: Final = "give each a JOURNEYS_DATA_DIR of its own, not a copy of another's"


class _Settings(Protocol):
    session_timeout_seconds: float

    @property
    def group(self) -> str: ...


class GroupGuard:
    """Ends the process when it can't become a member of its group, or has no partitions though some have no owner."""

    def __init__(
        self,
        worker: Membership,
        membership: GroupMembership,
        progress: RestoreProgress,
        group: Callable[[], Awaitable[Group]],
        partition_count: int,
        settings: _Settings,
    ) -> None:
        """`group` asks Kafka for the group as it is now; it raises OperationError while there is no answer."""
        self._worker = worker
        self._membership = membership
        self._progress = progress
        self._group = group
        self._partition_count = partition_count
        self._settings = settings
        self._got_on: tuple[int, int] = (0, 0)
        self._since: float | None = None
        """Since when it waits for what it has not got: its place in the group, rows, or partitions."""
        self.is_surplus = False
        """Whether all partitions have owners and this worker has none: it waits to take over."""
        self.unowned: frozenset[int] = frozenset()
        """Partitions that have no owner although this worker has none, as of the last look."""

    async def watch(self) -> None:
        """Check every few seconds, without end."""
        looked_at = monotonic()
        while True:
            await asyncio.sleep(min(_LOOK_EVERY_SECONDS, patience.CHECK_EVERY_SECONDS))
            self.check_refusal()
            if monotonic() - looked_at >= patience.CHECK_EVERY_SECONDS:
                looked_at = monotonic()
                await self.check()

    def check_refusal(self) -> None:
        """End the process if the group refuses it, or somebody else takes its place again and again."""
        error = self._membership.error
        if error is not None and not self._worker.should_stop:
            end_now(*self._why_refused(error))
        lost = self._membership.losses_within(_SESSIONS_LOOKED_AT * self._settings.session_timeout_seconds)
        if lost > _SESSIONS_LOOKED_AT:
            end_now(
                WorkerExit.FAILED,
                f"the group {self._settings.group} has forgotten it {lost} times in {_SESSIONS_LOOKED_AT} "
                "sessions: another worker "
                f"uses the same group.instance.id ({self._membership.instance_id}); {_OWN_FOLDER}",
            )

    async def check(self) -> None:
        """End the process if for too long it has been without a place in the group, without rows, or without work."""
        is_settled = self._membership.is_member and not self._worker.rebalancing
        got_on = (self._progress.read, self._progress.made)
        has_work = is_settled and bool(self._worker.input_partitions())
        if has_work or got_on != self._got_on:
            self._got_on, self._since = got_on, None
            self._found(frozenset(), is_surplus=False)
            return
        now = monotonic()
        if self._since is None:
            self._since = now
        waited_seconds = now - self._since
        is_over = waited_seconds > patience.STUCK_AFTER_SECONDS
        if not is_settled and not is_over:
            return
        try:
            group = await self._group()
        except OperationError as error:  # time without Kafka does not count
            log.warning("the group is not known: %s", error)
            self._since = None
            return
        if is_settled:
            self._check_share(group, waited_seconds if is_over else None)
        else:
            end_now(*self._why_not_settled(group, waited_seconds))

    def _check_share(self, group: Group, over_seconds: float | None) -> None:
        """Look whether the partitions have owners, as this worker has none. None: it has not waited too long yet."""
        if not group.is_stable:
            return
        unowned = frozenset(range(self._partition_count)) - group.owned
        if not unowned:
            self._since = None
            self._found(unowned, is_surplus=True)
            return
        self._found(unowned, is_surplus=False)
        if over_seconds is not None:
            end_now(
                WorkerExit.FAILED,
                f"it has no partitions although {_partitions(unowned)} have no owner, for {over_seconds:.0f} s; "
                f"{group}; stop what is no worker of this application",
            )

    def _found(self, unowned: frozenset[int], *, is_surplus: bool) -> None:
        if is_surplus and not self.is_surplus:
            log.info(
                "no partitions are left for this worker: all %d have owners; it waits to take over",
                self._partition_count,
            )
        if unowned and unowned != self.unowned:
            log.warning("%s have no owner, and this worker has no partitions", _partitions(unowned))
        self.is_surplus, self.unowned = is_surplus, unowned

    def _why_not_settled(self, group: Group, seconds: float) -> tuple[WorkerExit, str]:
        if not self._membership.is_member:
            why = (
                f"it has not got into its group for {seconds:.0f} s; {group}; a member that comes and goes, or never "
                "answers, keeps all others waiting: stop it"
            )
            return WorkerExit.FAILED, why
        progress = self._progress
        if not progress.is_under_way:
            return WorkerExit.STALLED, f"its rebalance did not end within {seconds:.0f} s; {group}"
        why = (
            f"its restore has read {progress.read} changelog records of {progress.read + progress.remaining}, made "
            f"{progress.made} journeys, and did not get on for {seconds:.0f} s; if a restart does not help, rebuild "
            "the table from the input topic with `journeys check --rebuild`"
        )
        return WorkerExit.STALLED, why

    def _why_refused(self, error: BaseException) -> tuple[WorkerExit, str]:
        """Exit code and reason for an error of the group's coordination."""
        name, session_seconds = self._settings.group, self._settings.session_timeout_seconds
        if isinstance(error, InvalidGroupIdError):
            return WorkerExit.SETUP, f"Kafka does not allow the group name {name!r}: set JOURNEYS_APPLICATION_ID"
        if isinstance(error, InvalidSessionTimeoutError):
            why = (
                f"the brokers do not allow JOURNEYS_SESSION_TIMEOUT_SECONDS={session_seconds:g}: it must be within "
                "their group.min.session.timeout.ms (6000 by default) and group.max.session.timeout.ms"
            )
            return WorkerExit.SETUP, why
        said = repr(error)
        if isinstance(error, GroupAuthorizationFailedError | TopicAuthorizationFailedError):
            # The restart checks all rights and names the missing one, with the command that grants it.
            why = f"no right to Read group {name} any more ({said})"
        elif isinstance(error, InconsistentGroupProtocolError):
            why = (
                f"the group {name} has members that are no workers (another protocol): stop them, or set "
                "JOURNEYS_APPLICATION_ID to a name of its own"
            )
        elif GroupMaxSizeReachedError.__name__ in said:
            why = (
                f"the group {name} has as many members as the brokers' group.max.size allows: run fewer workers, or "
                "raise it"
            )
        elif FencedInstanceIdError.__name__ in said:
            why = f"another worker uses the same group.instance.id ({self._membership.instance_id}); {_OWN_FOLDER}"
        else:
            why = (
                f"it can't go on in the group {name}: {said}; if it has members that are no workers of this version, "
                "stop them, or set JOURNEYS_APPLICATION_ID to a name of its own"
            )
        return WorkerExit.FAILED, why


def _partitions(numbers: frozenset[int]) -> str:
    return f"partitions {', '.join(map(str, sorted(numbers)))}"
