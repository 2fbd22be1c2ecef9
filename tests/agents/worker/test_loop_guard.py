"""The loop guard: a call that never ends is seen, be it in Python or in native code that keeps the interpreter."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from journeys.agents.worker.guards import loop_guard, patience
from journeys.agents.worker.guards.loop_guard import LoopGuard
from journeys.agents.worker.ports.worker_exit import WorkerExit

ROOT = Path(__file__).parents[3]
NATIVE_CALL = """
import asyncio, re
from journeys.agents.worker.guards import loop_guard, patience
loop_guard._TICK_SECONDS = 0.1
patience.STUCK_AFTER_SECONDS = 0.5

async def work():
    loop_guard.LoopGuard().start()
    await asyncio.sleep(0.5)
    print("called", flush=True)
    re.match("(a+)+$", "a" * 64 + "b")  # takes longer than the universe is old

asyncio.run(work())
"""


@pytest.fixture
def ended(monkeypatch) -> tuple[Event, list[tuple[WorkerExit, str]]]:
    """Give what is set and said when the process is to end; the guard is quick."""
    monkeypatch.setattr(loop_guard, "_TICK_SECONDS", 0.01)
    monkeypatch.setattr(patience, "STUCK_AFTER_SECONDS", 0.05)
    monkeypatch.setattr(loop_guard, "_TIMES_LONGER", 10_000)
    over, said = Event(), []

    def end(code: WorkerExit, why: str) -> None:
        said.append((code, why))
        over.set()

    monkeypatch.setattr(loop_guard, "end_now", end)
    return over, said


def test_a_call_that_never_ends_ends_the_process(ended, caplog):
    """It says where it is, and the stack is in the log."""
    over, said = ended

    async def work() -> None:
        guard = LoopGuard()
        guard.start()
        await asyncio.sleep(0)
        over.wait(60)  # the call
        guard.stop()

    asyncio.run(work())
    code, why = said[0]
    assert code == WorkerExit.STALLED
    assert why.startswith("one call has not ended for 0 s, in wait (threading.py:")
    assert "over.wait(60)" in caplog.text


def test_a_loop_that_comes_round_is_left_alone(ended):
    """However many ticks there are."""
    _, said = ended

    async def work() -> float:
        guard = LoopGuard()
        guard.start()
        for _ in range(30):
            await asyncio.sleep(0.01)
        guard.stop()
        return guard.silent_seconds

    asyncio.run(work())
    assert said == []


def test_native_code_that_keeps_the_interpreter_ends_the_process():
    """No other Python thread runs any more; the stack goes to standard error."""
    ended = subprocess.run(
        [sys.executable, "-c", NATIVE_CALL],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stdout == "called\n"
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "in work" in ended.stderr
