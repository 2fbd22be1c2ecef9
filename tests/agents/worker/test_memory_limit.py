"""The memory limit by itself: when it makes wait and when not, and what it measures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from faust.types import TP

from journeys.agents.worker.guards import memory_limit, patience
from journeys.agents.worker.guards.memory_limit import LIMIT_REACHED, ROOM_AGAIN, MemoryLimit, resident_mib
from journeys.agents.worker.guards.watchdog import Watchdog


def measures(monkeypatch, *mib: float) -> Iterator[float]:
    """Let it measure these, one after the other; gives what is left of them."""
    left = iter(mib)
    monkeypatch.setattr(memory_limit, "resident_mib", lambda: next(left))
    monkeypatch.setattr(memory_limit, "_LOOK_EVERY_SECONDS", 0)
    return left


def test_it_waits_from_the_limit_until_there_is_room(monkeypatch, caplog):
    """At 100 of 100 it waits, at 96 still, at 94 no more; it says so once, at level error, and when it goes on."""
    left = measures(monkeypatch, 99.9, 100, 130, 96, 95, 94, 94)
    limit = MemoryLimit(100)
    asyncio.run(limit.wait_for_room())
    assert caplog.records == []
    asyncio.run(limit.wait_for_room())
    assert [(record.levelno, record.getMessage().partition(":")[0]) for record in caplog.records] == [
        (logging.ERROR, LIMIT_REACHED),
        (logging.WARNING, ROOM_AGAIN),
    ]
    assert (list(left), limit.is_reached) == ([94], False)


def test_without_a_limit_nothing_is_measured(monkeypatch):
    """It is off by default."""
    left = measures(monkeypatch, 1e9)
    asyncio.run(MemoryLimit(None).wait_for_room())
    assert list(left) == [1e9]


def test_a_measure_is_of_this_process():
    """A process that holds 200 MiB more measures about so much more."""
    before = resident_mib()
    ballast = b"x" * (200 * 1024 * 1024)
    assert 150 < resident_mib() - before < 250
    assert len(ballast)


class Memory:
    """At its limit, the first time that somebody asks; then the test is over."""

    def __init__(self) -> None:
        self._asked = iter([True])

    @property
    def is_reached(self) -> bool:
        """Whether it is."""
        for answer in self._asked:
            return answer
        raise LookupError("over")


def test_a_worker_that_waits_for_memory_is_not_stalled(monkeypatch):
    """The watchdog forgets since when a partition stood still: it would end the worker as soon as it goes on."""
    monkeypatch.setattr(patience, "CHECK_EVERY_SECONDS", 0)
    watched = Watchdog(SimpleNamespace(rebalancing=False), Memory(), None, {}, None)
    watched._moved[TP("journey-events", 0)] = (17, 0.0)
    with pytest.raises(LookupError, match="over"):  # a look would have asked for a consumer, which is not there
        asyncio.run(watched.watch())
    assert watched._moved == {}
