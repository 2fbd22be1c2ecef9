"""The group guard: each way of being no member, or one without work, ends the worker; a surplus worker lives."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
    for_code,
)

from journeys.agents.kafka.connection import KafkaUnreachableError
from journeys.agents.kafka.group_members import Group, GroupMember
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.guards import group_guard
from journeys.agents.worker.guards.group_guard import GroupGuard
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.agents.worker.restore.restore_progress import RestoreProgress
from journeys.agents.worker.transport.group_membership import GroupMembership, name_more_errors

SETTINGS = Settings(_env_file=None, application_id="shop", session_timeout_seconds=6)


class EndedError(Exception):
    """Stands for the end of the process."""


class Watched:
    """A group guard, and a worker of two partitions that it watches."""

    def __init__(self) -> None:
        self.partitions: Sequence[int] = (0, 1)
        self.worker = SimpleNamespace(
            rebalancing=False, should_stop=False, input_partitions=lambda: list(self.partitions)
        )
        self.membership = SimpleNamespace(
            is_member=True, error=None, instance_id="host-1", losses_within=lambda _: self.losses
        )
        self.losses = 0
        self.progress = RestoreProgress()
        self.group: Group | None = Group("Stable", ())
        self.guard = GroupGuard(self.worker, self.membership, self.progress, self._group, 2, SETTINGS)

    async def _group(self) -> Group:
        if self.group is None:
            raise KafkaUnreachableError("nobody there")
        return self.group

    def check(self) -> None:
        """Let it check once."""
        asyncio.run(self.guard.check())


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Seconds on the guard's clock, to be moved by hand; the end of the process is an error."""
    now = [1_000.0]
    monkeypatch.setattr(group_guard, "monotonic", lambda: now[0])

    def end(code: WorkerExit, why: str) -> None:
        raise EndedError(code, why)

    monkeypatch.setattr(group_guard, "end_now", end)
    return now


def ended(watched: Watched) -> tuple[WorkerExit, str]:
    """Let it check, and give code and reason of the end."""
    with pytest.raises(EndedError) as error:
        watched.check()
    code, why = error.value.args
    return code, why


def join_error(code: int) -> KafkaError:
    """Error that aiokafka makes of a code that it does not expect in an answer to a join."""
    name_more_errors()
    return KafkaError(repr(for_code(code)()))


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InconsistentGroupProtocolError(), WorkerExit.FAILED, "members that are no workers"),
        (InvalidSessionTimeoutError(), WorkerExit.SETUP, "JOURNEYS_SESSION_TIMEOUT_SECONDS=6"),
        (InvalidGroupIdError(), WorkerExit.SETUP, "does not allow the group name 'shop'"),
        (GroupAuthorizationFailedError("shop"), WorkerExit.FAILED, "no right to Read group shop any more"),
        (join_error(81), WorkerExit.FAILED, "group.max.size"),
        (join_error(82), WorkerExit.FAILED, "another worker uses the same group.instance.id (host-1)"),
        (KafkaError("AssertionError('Invalid assignment protocol: x')"), WorkerExit.FAILED, "Invalid assignment"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_the_group_ends_the_worker(clock, error, code, said):
    """At once, with 2 where a setting is wrong, and a line that says what to do."""
    watched = Watched()
    watched.guard.check_refusal()
    watched.membership.error = error
    with pytest.raises(EndedError) as ended:
        watched.guard.check_refusal()
    assert ended.value.args[0] == code
    assert said in ended.value.args[1]


def test_errors_while_it_stops_are_none(clock):
    """The group is being left."""
    watched = Watched()
    watched.worker.should_stop = True
    watched.membership.error = KafkaError("closed")
    watched.guard.check_refusal()


def test_a_place_that_is_taken_again_and_again_ends_the_worker(clock):
    """More often than sessions can end; as often as they can, it goes on."""
    watched = Watched()
    watched.losses = 10
    watched.guard.check_refusal()
    watched.losses = 11
    with pytest.raises(EndedError, match=r"another worker uses the same group\.instance\.id"):
        watched.guard.check_refusal()


def test_a_worker_that_does_not_get_into_its_group_ends(clock):
    """After two minutes, with what the group is doing."""
    watched = Watched()
    watched.membership.is_member = False
    watched.group = Group("PreparingRebalance", (GroupMember("other at 127.0.0.1", frozenset()),))
    watched.check()
    clock[0] += 120
    watched.check()
    clock[0] += 1
    code, why = ended(watched)
    assert code == WorkerExit.FAILED
    assert why.startswith(
        "it has not got into its group for 121 s; the group is PreparingRebalance with 1 members (other at 127.0.0.1)"
    )


def test_time_without_kafka_does_not_count(clock):
    """The two minutes begin when it answers again."""
    watched = Watched()
    watched.membership.is_member = False
    watched.check()
    watched.group = None
    for _ in range(10):
        clock[0] += 121
        watched.check()
    watched.group = Group("Empty", ())
    watched.check()
    clock[0] += 121
    assert ended(watched)[0] == WorkerExit.FAILED


def test_a_restore_that_gets_on_takes_as_long_as_it_takes(clock):
    """First it reads, then it makes journeys; when neither goes on, it ends."""
    watched = Watched()
    watched.worker.rebalancing = True
    watched.progress.begin()
    for step in range(1, 20):
        watched.progress.report(min(step, 10), 0, max(0, step - 10))
        watched.check()
        clock[0] += 119
    watched.check()
    clock[0] += 121
    code, why = ended(watched)
    assert code == WorkerExit.STALLED
    assert why.startswith("its restore has read 10 changelog records of 10, made 9 journeys, and did not get on for")


def test_a_rebalance_that_does_not_end_ends_the_worker(clock):
    """With nothing to restore: Faust waits for something else."""
    watched = Watched()
    watched.worker.rebalancing = True
    watched.check()
    clock[0] += 121
    assert ended(watched)[1].startswith("its rebalance did not end within 121 s")


def test_work_in_between_is_a_new_beginning(clock):
    """A group in which workers come and go all day, and everybody gets to work now and then."""
    watched = Watched()
    for _ in range(5):
        watched.worker.rebalancing = True
        watched.check()
        clock[0] += 100
        watched.check()
        watched.worker.rebalancing = False
        watched.check()
        clock[0] += 100


def test_a_worker_that_is_one_too_many_lives(clock, caplog):
    """It says so once, and again when it has become so anew."""
    caplog.set_level("INFO")
    watched = Watched()
    watched.partitions = ()
    watched.group = Group("Stable", (GroupMember("a", frozenset({0})), GroupMember("b", frozenset({1}))))
    for _ in range(5):
        watched.check()
        assert watched.guard.is_surplus
        clock[0] += 121
    assert caplog.text.count("it waits to take over") == 1
    watched.partitions = (1,)
    watched.check()
    assert not watched.guard.is_surplus


def test_a_worker_without_partitions_ends_while_some_have_no_owner(clock):
    """A group that is still being rebalanced says nothing about owners."""
    watched = Watched()
    watched.partitions = ()
    watched.group = Group("CompletingRebalance", ())
    watched.check()
    assert watched.guard.unowned == frozenset()
    watched.group = Group("Stable", (GroupMember("a", frozenset({0})),))
    watched.check()
    assert watched.guard.unowned == frozenset({1})
    assert not watched.guard.is_surplus
    clock[0] += 121
    code, why = ended(watched)
    assert code == WorkerExit.FAILED
    assert why.startswith("it has no partitions although partitions 1 have no owner, for 121 s; the group is Stable")


def test_a_membership_before_there_is_a_consumer_is_none():
    """The guards begin before Faust has started its consumer's thread."""
    membership = GroupMembership(lambda: None)
    assert (membership.is_member, membership.error, membership.instance_id) == (False, None, None)


def test_losses_are_counted_for_a_while():
    """Each time that aiokafka forgets its place in the group, which it still does."""
    forgotten: list[int] = []
    coordinator = SimpleNamespace(reset_generation=lambda: forgotten.append(1))
    membership = GroupMembership(lambda: None)
    membership.note_losses(coordinator)
    coordinator.reset_generation()
    coordinator.reset_generation()
    assert membership.losses_within(60) == len(forgotten) == 2
    assert membership.losses_within(-1) == 0
