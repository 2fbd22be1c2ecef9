"""The freeze guard sees every freeze, wherever in its own work it falls, and takes no work for one."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from journeys.agents.worker.guards import freeze_guard
from journeys.agents.worker.guards.freeze_guard import FreezeGuard, Work, work_of_this_thread
from journeys.agents.worker.ports.worker_exit import WorkerExit
from tests.fixtures.left_out import left_out

ROOT = Path(__file__).parents[3]
LIMIT_SECONDS, SESSION_SECONDS = 2.0, 10.0
FROZEN_WORKER = """
import sys
from threading import Event
from journeys.agents.worker.guards.freeze_guard import FreezeGuard

guard = FreezeGuard(1.0, 3600.0)
guard.start()
print("started", flush=True)
if sys.argv[1] == "waits":
    Event().wait()
while True:  # each a call of some hundredths of a second into native code, which keeps the interpreter
    sum(range(1_000_000))
"""


class EndedError(Exception):
    """Stands for the end of the process."""


class Clocks(NamedTuple):
    """Readings to come, the last of which stays: of the time, and of what the worker's thread has computed."""

    time: list[float]
    worked: list[float]

    def set(self, time: float, worked: float = 0.0) -> None:
        """Have both clocks stand still at these readings."""
        self.time[:], self.worked[:] = [time], [worked]


def next_of(readings: list[float]) -> float:
    """Take the next reading."""
    return readings.pop(0) if len(readings) > 1 else readings[0]


@pytest.fixture
def clocks(monkeypatch) -> Clocks:
    """Give both clocks; the end of the process is an error."""
    clocks = Clocks([0.0], [0.0])

    def end(code: WorkerExit, why: str) -> None:
        raise EndedError(code, why)

    monkeypatch.setattr(freeze_guard, "_now", lambda: next_of(clocks.time))
    monkeypatch.setattr(freeze_guard, "end_now", end)
    return clocks


def guard_of(clocks: Clocks) -> FreezeGuard:
    """Guard that reads both clocks."""
    guard = FreezeGuard(LIMIT_SECONDS, SESSION_SECONDS)
    guard._work_of_worker = lambda: Work(next_of(clocks.worked))
    return guard


def ticks(guard: FreezeGuard, times: int) -> None:
    """Let the guard tick so many times in this thread."""
    left: Iterator[bool] = iter([False] * times + [True])
    guard._stopped.wait = lambda _: next(left)
    guard._tick()


def test_a_send_behind_a_freeze_ends_the_process(clocks):
    """It says how long the process stood still."""
    guard = guard_of(clocks)
    clocks.set(1.9)
    guard.check()
    clocks.set(2.5)
    with pytest.raises(EndedError) as ended:
        guard.check()
    assert ended.value.args == (WorkerExit.FROZEN, "stood still for 2.5 s; other workers may own its partitions")


def test_a_tick_behind_a_freeze_ends_the_process(clocks):
    """Ticks that come in time do not."""
    guard = guard_of(clocks)
    clocks.time[:] = [1.0, 2.0, 3.0, 4.0]
    ticks(guard, 4)
    clocks.set(7.0)
    with pytest.raises(EndedError):
        ticks(guard, 1)


def test_a_freeze_in_the_middle_of_a_tick_is_seen(clocks):
    """Between the look at the clock and the note of it: the next look finds it."""
    guard = guard_of(clocks)
    clocks.time[:] = [1.0, 100.0]
    ticks(guard, 1)
    with pytest.raises(EndedError):
        guard.check()


def test_a_long_call_of_its_own_is_no_freeze(clocks):
    """A call into native code that computes for five seconds; it is noted as the longest so far."""
    guard = guard_of(clocks)
    clocks.set(5.0, worked=4.9)
    ticks(guard, 1)
    assert guard.longest_hold_seconds == pytest.approx(4.9)
    assert guard.longest_hold_cpu_seconds == pytest.approx(4.9)


@pytest.mark.parametrize("whose", ["_work_of_worker", "_work_of_guard"])
def test_a_busy_machine_is_no_freeze(clocks, whose):
    """One of the threads was ready to run and had no processor; nobody's hold is as long as that."""
    guard = guard_of(clocks)
    setattr(guard, whose, lambda: Work(0.0, 3.9))
    clocks.set(5.0)
    ticks(guard, 1)
    assert guard.longest_hold_cpu_seconds == 0.0
    clocks.set(10.1)
    with pytest.raises(EndedError, match=r"stood still for 5.1 s"):
        guard.check()


def test_a_freeze_in_the_middle_of_a_long_call_is_seen(clocks):
    """What was computed before and after it is no excuse."""
    guard = guard_of(clocks)
    clocks.set(5.0, worked=2.9)
    with pytest.raises(EndedError, match=r"stood still for 2.1 s"):
        guard.check()


def test_a_call_that_outlasts_the_session_ends_the_process(clocks):
    """No heartbeat was sent meanwhile: the partitions may be somebody else's."""
    guard = guard_of(clocks)
    clocks.set(0.8 * SESSION_SECONDS, worked=7.0)
    guard.check()
    clocks.set(0.8 * SESSION_SECONDS + 0.1, worked=8.0)
    with pytest.raises(EndedError, match=r"no heartbeat was sent for 8.1 s, of which one call computed 8.0 s") as ended:
        guard.check()
    assert ended.value.args[0] == WorkerExit.FROZEN


def test_a_suspended_host_is_a_freeze_also_while_the_worker_is_busy(clocks):
    """The clock has gone on, nothing was computed: as a virtual machine that is put to sleep sees it."""
    guard = guard_of(clocks)
    for second in range(1, 10):
        clocks.set(float(second), worked=second * 0.99)
        ticks(guard, 1)
    clocks.set(9.0 + 3_600, worked=9 * 0.99)
    with pytest.raises(EndedError, match=r"stood still for 3600.0 s"):
        ticks(guard, 1)


@pytest.mark.skipif(sys.platform != "linux", reason=left_out("linux"))
def test_the_clock_goes_on_while_the_host_is_suspended():
    """No test can suspend its host; but the kernel promises it of one clock alone."""
    assert freeze_guard._CLOCK == time.CLOCK_BOOTTIME


@pytest.mark.skipif(sys.platform != "linux", reason=left_out("linux"))
def test_what_another_thread_reads_is_what_the_workers_thread_has_computed():
    """Whatever other threads compute meanwhile, and not what it waits."""
    read: list[tuple[Work, float]] = []
    work = work_of_this_thread()

    def compute_and_read() -> None:
        sum(range(5_000_000))
        read.append((work(), time.thread_time()))

    sum(range(5_000_000))
    before = work()
    other = threading.Thread(target=compute_and_read)
    other.start()
    other.join()
    ((seen, computed_elsewhere),) = read
    assert before.computed > 0
    assert seen.computed - before.computed < computed_elsewhere
    sum(range(20_000_000))
    assert work().computed > seen.computed


@pytest.mark.skipif(sys.platform != "linux", reason=left_out("linux"))
@pytest.mark.parametrize("work", ["waits", "computes"])
def test_a_process_that_was_stopped_ends_when_it_goes_on(work):
    """SIGSTOP for longer than the limit, whatever it was doing."""
    process = subprocess.Popen(
        [sys.executable, "-c", FROZEN_WORKER, work],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)  # the freeze itself
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == WorkerExit.FROZEN, said
    assert "stood still for" in said


def test_behind_its_end_a_guard_can_still_be_asked():
    """A last flush asks it when its thread has ended, of which the system then tells nothing."""
    guard = FreezeGuard(LIMIT_SECONDS, SESSION_SECONDS)
    guard.start()
    (ticking,) = [thread for thread in threading.enumerate() if thread.name == "freeze-guard" and thread.is_alive()]
    guard.stop()
    ticking.join(10.0)
    assert not ticking.is_alive()
    guard.check()
