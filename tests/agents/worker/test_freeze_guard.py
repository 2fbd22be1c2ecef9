"""The freeze guard sees every freeze, wherever in its own work it falls."""

import sys
import time
from collections.abc import Iterator

import pytest

from journeys.agents.worker.guards import freeze_guard
from journeys.agents.worker.guards.freeze_guard import FreezeGuard
from journeys.agents.worker.ports.worker_exit import WorkerExit
from tests.fixtures.left_out import left_out


class EndedError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Give the readings to come, the last of which stays; the end of the process is an error."""
    readings = [0.0]

    def end(code: WorkerExit, why: str) -> None:
        raise EndedError(code, why)

    monkeypatch.setattr(freeze_guard, "_now", lambda: readings.pop(0) if len(readings) > 1 else readings[0])
    monkeypatch.setattr(freeze_guard, "end_now", end)
    return readings


def ticks(guard: FreezeGuard, times: int) -> None:
    """Let the guard tick so many times in this thread."""
    left: Iterator[bool] = iter([False] * times + [True])
    guard._stopped.wait = lambda _: next(left)
    guard._tick()


def test_a_send_behind_a_freeze_ends_the_process(clock):
    """It says how long the process stood still."""
    guard = FreezeGuard(2.0)
    clock[:] = [1.9]
    guard.check()
    clock[:] = [2.5]
    with pytest.raises(EndedError) as ended:
        guard.check()
    assert ended.value.args == (WorkerExit.FROZEN, "stood still for 2.5 s; other workers may own its partitions")


def test_a_tick_behind_a_freeze_ends_the_process(clock):
    """Ticks that come in time do not."""
    guard = FreezeGuard(2.0)
    clock[:] = [1.0, 2.0, 3.0, 4.0]
    ticks(guard, 4)
    clock[:] = [7.0]
    with pytest.raises(EndedError):
        ticks(guard, 1)


def test_a_freeze_in_the_middle_of_a_tick_is_seen(clock):
    """Between the look at the clock and the note of it: the next look finds it."""
    guard = FreezeGuard(2.0)
    clock[:] = [1.0, 100.0]
    ticks(guard, 1)
    with pytest.raises(EndedError):
        guard.check()


@pytest.mark.skipif(sys.platform != "linux", reason=left_out("linux"))
def test_the_clock_goes_on_while_the_host_is_suspended():
    """No test can suspend its host; but the kernel promises it of one clock alone."""
    assert freeze_guard._CLOCK == time.CLOCK_BOOTTIME
