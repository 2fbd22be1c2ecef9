"""Whatever Faust does with batches: nothing is committed past an unapplied record, and nothing stalls."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from faust.types import TP
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import journeys.agents.worker.journey_agent
import journeys.agents.worker.transport.batch_transport
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.fixtures.examples import examples
from tests.offsets.member import BatchFailedError, Member
from tests.offsets.memory_thread import MemoryLog

_PARTITIONS = [TP(JOURNEY_EVENTS, 0), TP(JOURNEY_EVENTS, 1)]
# More than it ever takes to fetch, notice and seek for each partition.
_ROUNDS = 40
_some = st.integers(1, 4)
_some_of_each = st.fixed_dictionaries(dict.fromkeys(_PARTITIONS, st.integers(0, 5)))


class Offsets(RuleBasedStateMachine):
    """A worker among others: records come, fetches wait, batches get lost or fail, partitions go and come back."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.folder = TemporaryDirectory()
        self.logs = {tp: MemoryLog() for tp in _PARTITIONS}
        self.member = self.started()

    def started(self) -> Member:
        """A new worker, without partitions yet."""
        return Member(self.logs, Path(self.folder.name), self.loop)

    @initialize(count=_some)
    def begin(self, count: int) -> None:
        """The first assignment."""
        for log in self.logs.values():
            log.append(count)
        self.member.get_partitions(_PARTITIONS)

    @rule(tp=st.sampled_from(_PARTITIONS), count=st.integers(0, 4), marker=st.booleans())
    def append(self, tp: TP, count: int, *, marker: bool) -> None:
        """Records come in, perhaps of a transaction."""
        self.logs[tp].append(count, marker=marker)

    @rule()
    def fetch(self) -> None:
        """Faust asks for records; the call waits."""
        self.member.fetch()

    @rule(counts=_some_of_each)
    def bring(self, counts: dict[TP, int]) -> None:
        """The broker answers."""
        self.member.bring(counts)

    @precondition(lambda self: self.member.delivered)
    @rule()
    def handle(self) -> None:
        """The agent gets on."""
        self.member.handle()

    @rule()
    def time_passes(self) -> None:
        """What was gathered is due, and no batch comes that would say so."""
        self.member.let_time_pass()

    @precondition(lambda self: self.member.delivered)
    @rule(number=st.integers(0, 9))
    def lose_batch(self, number: int) -> None:
        """Faust throws a batch away."""
        del self.member.delivered[number % len(self.member.delivered)]

    @precondition(lambda self: self.member.delivered)
    @rule()
    def lose_all_batches(self) -> None:
        """Faust clears the queue, as it does behind a restore."""
        self.member.delivered.clear()

    @precondition(lambda self: self.member.delivered)
    @rule()
    def fail(self) -> None:
        """A batch fails in mid-flush: the process ends, and a new one takes its place."""
        self.member.flusher.fails = True
        with suppress(BatchFailedError):
            self.member.handle()
        self.restart()

    @rule(refused=st.booleans())
    def commit(self, *, refused: bool) -> None:
        """Faust commits, as it does each second; the group may refuse."""
        self.member.thread.refuses_commits = refused
        self.member.run(self.member.consumer.commit())
        self.member.thread.refuses_commits = False

    @precondition(lambda self: not self.member.app.rebalancing)
    @rule()
    def lose_partitions(self) -> None:
        """A rebalance begins."""
        self.member.lose_partitions()

    @precondition(lambda self: self.member.app.rebalancing)
    @rule(assigned=st.sets(st.sampled_from(_PARTITIONS)), count=st.integers(0, 3))
    def get_partitions(self, assigned: set[TP], count: int) -> None:
        """And ends; meanwhile another may have applied some more."""
        for log in self.logs.values():
            log.applied_to = [log.applied_to, *[at for at in log.offsets if at > log.applied_to][:count]][-1]
        self.member.get_partitions(assigned)

    @rule()
    def restart(self) -> None:
        """Kill -9, and a new worker."""
        self.member.end()
        self.member = self.started()
        self.member.get_partitions(_PARTITIONS)

    def teardown(self) -> None:
        """In the end everything gets applied and committed, with one more record behind it."""
        member = self.member
        try:
            if member.app.rebalancing:
                member.get_partitions(_PARTITIONS)
            for log in self.logs.values():
                log.append(1)
            mine = [tp for tp in _PARTITIONS if tp in member.thread.assigned]
            for _ in range(_ROUNDS):
                member.fetch()
                member.bring(dict.fromkeys(_PARTITIONS, 100))
                while member.delivered:
                    member.handle()
            member.run(member.consumer.commit())
            assert {tp: self.logs[tp].applied_to for tp in mine} == {tp: self.logs[tp].offsets[-1] for tp in mine}
            assert {tp: self.logs[tp].committed for tp in mine} == {tp: self.logs[tp].end for tp in mine}
        finally:
            member.end()
            self.loop.close()
            self.folder.cleanup()


@pytest.fixture(autouse=True)
def ends_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that would end its process raises here; and nobody waits while nothing is to be fetched."""

    def end_now(code: int, why: str) -> None:
        raise BatchFailedError(code, why)

    monkeypatch.setattr(journeys.agents.worker.journey_agent, "end_now", end_now)
    monkeypatch.setattr(journeys.agents.worker.transport.batch_transport, "end_now", end_now)
    monkeypatch.setattr(journeys.agents.worker.transport.batch_transport, "_NOTHING_ACTIVE_SECONDS", 0)


def test_no_order_of_events_loses_a_record_or_stalls() -> None:
    """Deliveries, lost batches, failures, rebalances, refused commits and control records in any order."""
    run_state_machine_as_test(
        Offsets, settings=settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
    )


def test_a_fetch_that_waits_while_the_agent_finds_a_gap(tmp_path: Path) -> None:
    """It brought what lay behind the seek, and the fetch after it was taken for the first: three records were lost."""
    tp = _PARTITIONS[0]
    log = MemoryLog()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    member = Member({tp: log}, tmp_path, loop)

    def delivered(count: int) -> None:
        member.fetch()
        member.bring({tp: count})

    try:
        log.append(2)
        member.get_partitions([tp])
        delivered(2)
        member.handle()
        assert log.applied_to == 1
        log.append(1, marker=True)
        delivered(1)
        log.append(2)
        member.fetch()
        member.handle()
        member.bring({tp: 3})
        log.append(1)
        for _ in range(4):
            delivered(3)
            while member.delivered:
                member.handle()
        assert log.applied_to == log.offsets[-1]
    finally:
        member.end()
        loop.close()


def test_a_batch_that_is_lost_between_two_that_would_be_gathered(tmp_path: Path) -> None:
    """What came before it is stored, and what comes behind it is fetched again together with what was lost."""
    tp = _PARTITIONS[0]
    log = MemoryLog()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    member = Member({tp: log}, tmp_path, loop)
    try:
        log.append(6)
        member.get_partitions([tp])
        for _ in range(3):
            member.fetch()
            member.bring({tp: 2})
        first = member.delivered[0].value
        member.handle()
        assert log.applied_to == -1, "more is waiting: it is gathered"
        assert not first, "its records are not kept until the flush, which may be as far as Kafka is away"
        member.delivered.popleft()
        member.handle()
        assert log.applied_to == 1
        for _ in range(2):
            member.fetch()
            member.bring({tp: 6})
            while member.delivered:
                member.handle()
        assert log.applied_to == 5
    finally:
        member.end()
        loop.close()


def test_a_fetch_waits_only_briefly_while_a_partition_has_no_room(tmp_path: Path) -> None:
    """It asks for the others alone: waiting a second for them, it left records of this one lie when there was room."""
    full, other = _PARTITIONS[:2]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    member = Member({full: MemoryLog(), other: MemoryLog()}, tmp_path, loop)
    try:
        member.get_partitions([full, other])
        member.fetch()
        unhurried = member.thread.waits_seconds
        member.bring({})
        member.consumer.on_buffer_full(full)
        member.fetch()
        assert member.thread.waits_seconds < unhurried / 10
    finally:
        member.end()
        loop.close()
