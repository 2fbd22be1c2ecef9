"""A million journeys embedded, and a feed of their abandonments: `python -m benchmarks.trainer [count]`."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

import psutil

from benchmarks.machine import describe_machine
from benchmarks.results import RESULTS, described_run, write_results
from journeys.streams.compiled.engine_choice import load_engine
from training_orchestrator import AbandonmentFeed, JourneyTimeoutManager, TimeoutConfiguration, TrainerTouchpoint

BEGIN = 1_760_000_000_000
_AT_A_TIME = 5_000
_DUE = 10_000
_SERIAL = 500
_HOUR = 3_600_000
_TICK_SECONDS = 0.001
_WAVES = {0: 1, 1: 4}
"""Hours until the first 10,000 journeys are due, and the next 10,000."""


class ManualClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> int:
        """Now, in epoch milliseconds."""
        return self.at


async def longest_hold(call: Callable[[], Awaitable[object]]) -> float:
    """Longest time in seconds for which the loop did nothing else while a call was under way."""
    longest = 0.0
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not done.is_set():
            began = perf_counter()
            await asyncio.sleep(_TICK_SECONDS)
            longest = max(longest, perf_counter() - began - _TICK_SECONDS)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    await call()
    await asyncio.sleep(_TICK_SECONDS)
    done.set()
    await watching
    return longest


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    """Seconds of a call."""
    began = perf_counter()
    await call()
    return perf_counter() - began


def naive_scan(count: int) -> float:
    """Seconds in which a plain loop over a dict of deadlines finds what is due: what a first version would do."""
    deadlines = {f"journey-{number:08d}": BEGIN + number for number in range(count)}
    began = perf_counter()
    due = [name for name, deadline in deadlines.items() if deadline <= BEGIN + _DUE - 1]
    spent = perf_counter() - began
    assert len(due) == min(_DUE, count)
    return spent


async def measure(store: Path, count: int) -> dict[str, float]:
    """Register `count` journeys, touch each, and look at deadlines when none and when 10,000 are due."""
    clock = ManualClock()
    process = psutil.Process()
    configuration = TimeoutConfiguration(grace_seconds=0, inactivity_threshold_hours=24 * 80)
    names = [f"journey-{number:08d}" for number in range(count)]
    figures: dict[str, float] = {"journeys": count}
    async with JourneyTimeoutManager(configuration, store_path=store, now=clock) as manager:
        empty = process.memory_info().rss

        async def register() -> None:
            for start in range(0, count, _AT_A_TIME):
                await asyncio.gather(
                    *(
                        manager.register_journey(name, timeout_days=hours / 24 if hours else None)
                        for number, name in enumerate(names[start : start + _AT_A_TIME], start=start)
                        for hours in [_WAVES.get(number // _DUE)]
                    )
                )

        async def touch() -> None:
            for start in range(0, count, _AT_A_TIME):
                await manager.record_touchpoints(
                    [TrainerTouchpoint(name, "AWARE", 1) for name in names[start : start + _AT_A_TIME]]
                )

        async def one_by_one() -> None:
            for name in names[-_SERIAL:]:
                await manager.record_touchpoint(name, cost=1)

        for name, work in (("register_calls", register), ("touchpoints", touch)):
            spent = process.cpu_times()
            figures[f"{name}_per_second"] = count / await timed(work)
            used = process.cpu_times()
            figures[f"{name}_per_cpu_second"] = count / (used.user + used.system - spent.user - spent.system)
        figures["touchpoint_calls_one_by_one_per_second"] = _SERIAL / await timed(one_by_one)
        figures["rss_bytes_per_journey"] = (process.memory_info().rss - empty) / count
        figures["check_0_due_ms"] = 1000 * await timed(manager.check_timeouts)
        clock.at += 2 * _HOUR
        began = perf_counter()
        found = await manager.check_timeouts()
        figures["check_10000_due_ms"] = 1000 * (perf_counter() - began)
        assert len(found) == min(_DUE, count)
        clock.at += 3 * _HOUR
        figures["check_10000_due_longest_hold_ms"] = 1000 * await longest_hold(manager.check_timeouts)
        stopping = perf_counter()
    figures["stop_seconds"] = perf_counter() - stopping
    figures["naive_scan_ms"] = 1000 * naive_scan(count)
    restart = perf_counter()
    async with JourneyTimeoutManager(configuration, store_path=store, now=clock):
        figures["restart_seconds"] = perf_counter() - restart
    with AbandonmentFeed.from_store(store, follow=False) as feed:
        began = perf_counter()
        given = sum(len(batch) for batch in feed.batches(max_records=1000))
        figures["feed_items_per_second"] = given / (perf_counter() - began)
    return figures


def main() -> None:
    """Print the figures as JSON and write them to benchmarks/results."""
    machine = describe_machine()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "journeys.sqlite3"
        figures = asyncio.run(measure(store, count))
        figures["file_bytes_per_journey"] = store.stat().st_size / count
    rounded = {name: round(value, 1) for name, value in figures.items()}
    engine = load_engine("auto").name
    write_results(
        described_run() | {"machine": machine, "engine": engine, "figures": rounded}, RESULTS / "trainer.json"
    )
    print(json.dumps(rounded, indent=1))


if __name__ == "__main__":
    main()
