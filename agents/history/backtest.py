"""Backtests: runs recorded history under several policies, on all CPU cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pyarrow as pa

from journeys.agents.history.history_buckets import HistoryBuckets
from journeys.agents.history.history_columns import HistoryBatch, OnBadLine, history_batches
from journeys.agents.history.log_order import LogOrder
from journeys.agents.history.packed_history import Group, PackedHistory, names_of
from journeys.agents.settings.operation_error import OperationError
from journeys.schemas.identity import abandonment_id
from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import REASONS, STATES
from journeys.streams.compiled.backtest_tally import BacktestTally
from journeys.streams.rule.penalty import PenaltyTable
from journeys.streams.rule.policy import Policy

if TYPE_CHECKING:
    from journeys.agents.history.open_history import HistoryFile
    from journeys.engine import Backtest, Clock

_SMALL_FILE = 2**20
_Open: TypeAlias = Callable[[], Callable[[int], Group]]
Abandonments: TypeAlias = Callable[[int, pa.Table], None]


def engine_is_there() -> bool:
    """Whether the compiled engine is installed and has backtests."""
    try:
        from journeys.engine import Backtest  # noqa: F401, PLC0415  (it may not be built)
    except ImportError:
        return False
    return True


def require_engine(what: str) -> None:
    """Raise OperationError, with `what` needs the compiled engine, if that is missing."""
    if not engine_is_there():
        raise OperationError(f"{what} needs the compiled engine: build it with `make setup`, which wants Rust (cargo)")


@contextmanager
def required_engine(what: str) -> Iterator[None]:
    """Go on only with the compiled engine: raises as `require_engine`."""
    require_engine(what)
    yield


class History(NamedTuple):
    """History grouped by journey: `open` gives each thread a function from a group's number to the group."""

    clock: Clock
    group_count: int
    open: _Open


def packed(path: str, policies: Sequence[Policy] = (), *, with_names: bool = False) -> History:
    """History in a packed file, with what these policies ask of it.

    Raises UnreadableFileError, and OperationError for a file from before segments, where a policy asks for them.
    """
    file = PackedHistory(path)
    asking = [policy.version for policy in policies if policy.deadlines.ask_for_segments]
    if asking and not file.has_segments:
        raise OperationError(
            f"{path}: packed without segments, for which deadline rules of {', '.join(asking)} ask: "
            "pack the history again"
        )

    def open_() -> Callable[[int], Group]:
        own = PackedHistory(path)
        return lambda number: own.group(number, with_names=with_names, with_segments=bool(asking))

    return History(file.clock(), file.group_count, open_)


@contextmanager
def unpacked(
    file: HistoryFile,
    held_bytes: int,
    on_bad_line: OnBadLine,
    *,
    with_names: bool = False,
    order: LogOrder | None = None,
) -> Iterator[History]:
    """History in files of lines; at most `held_bytes` stay in memory. Raises UnreadableFileError, OperationError."""
    batches = (order or LogOrder()).watched_batches(history_batches(file, on_bad_line))
    with in_buckets(batches, file.size_bytes() or _SMALL_FILE, held_bytes, with_names=with_names) as history:
        yield history


@contextmanager
def in_buckets(
    batches: Iterable[HistoryBatch], size_bytes: int, held_bytes: int, *, with_names: bool = False
) -> Iterator[History]:
    """History in batches of about `size_bytes` together; at most `held_bytes` stay in memory."""
    from journeys.engine import Journeys  # noqa: PLC0415  (it may not be built)

    with HistoryBuckets(size_bytes, held_bytes, with_names=with_names) as buckets:
        clock = buckets.fill(batches)

        def group(number: int) -> Group:
            journeys = Journeys.of_bucket(buckets.take(number))
            return Group(journeys, names_of(journeys) if with_names else None)

        yield History(clock, buckets.count, lambda: group)


def backtest(
    history: History,
    policies: Sequence[Policy],
    *,
    until: int | None = None,
    abandonments: Abandonments | None = None,
    threads: int | None = None,
) -> list[BacktestTally]:
    """Tally of each policy on the history, as `replay_unpunctuated` would give it, up to `until` (ms).

    A history ends at its last record; a later `until` is that record's time.

    `abandonments` is called with a policy's index and its abandonments in a group of journeys, in any order of groups;
    it needs a history with names.
    """
    total = [BacktestTally() for _ in policies]
    greatest = history.clock.greatest
    if greatest is None:
        return total
    # A comparison counts no days in which nothing can be seen.
    last_at = greatest if until is None else min(until, greatest)
    tables = [(policy, PenaltyTable(policy.penalty)) for policy in policies]
    numbers = iter(range(history.group_count))
    lock = Lock()

    def work() -> list[BacktestTally]:
        from journeys.engine import Backtest  # noqa: PLC0415  (it may not be built)

        group_of = history.open()
        run = Backtest(tables, until, last_at, abandonments is not None)
        while (number := next(numbers, None)) is not None:
            group = group_of(number)
            run.run(group.journeys, history.clock)
            if abandonments is not None:
                with lock:
                    _pass_on(run, group, abandonments)
        return [BacktestTally(**fields) for fields in run.tallies()]

    count = threads or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(count, thread_name_prefix="backtest") as pool:
        for share in [future.result() for future in [pool.submit(work) for _ in range(count)]]:
            for one, more in zip(total, share, strict=True):
                one.merge(more)
    return total


def _pass_on(run: Backtest, group: Group, abandonments: Abandonments) -> None:
    for number, columns in enumerate(run.take_abandonments()):
        if columns["journey"]:
            abandonments(number, _table(columns, group.names))


def _table(columns: dict[str, bytes], names: Any) -> pa.Table:
    rows = len(columns["journey"]) // 4

    def array(name: str, kind: pa.DataType) -> pa.Array:
        return pa.Array.from_buffers(kind, rows, [None, pa.py_buffer(columns[name])])

    def text(name: str, texts: Sequence[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(array(name, pa.uint8()).cast(pa.int8()), pa.array(texts))

    last = array("last_touchpoint_at", pa.int64())
    instant = pa.timestamp("ms", "UTC")
    days = pa.compute.divide(
        pa.compute.subtract(array("abandoned_at", pa.int64()), array("started_at", pa.int64())), DAY_MS
    )
    journey_ids = names.take(array("journey", pa.uint32()))
    ids = map(abandonment_id, journey_ids.to_pylist(), array("started_at", pa.int64()).to_pylist())
    return pa.table(
        {
            "abandonment_id": pa.array(ids, pa.string()),
            "journey_id": journey_ids,
            "abandonment_reason": text("reason", REASONS),
            "state": text("state", STATES),
            "started_at": array("started_at", instant),
            "last_touchpoint_at": pa.compute.if_else(pa.compute.less(last, 0), None, last).cast(instant),
            "abandoned_at": array("abandoned_at", instant),
            "detected_at": array("detected_at", instant),
            "days_active": pa.compute.max_element_wise(days, 1),
            "touchpoint_count": array("touchpoint_count", pa.int64()),
            "total_cost_micros": array("total_cost_micros", pa.int64()),
            "penalty_amount_micros": array("penalty_amount_micros", pa.int64()),
            "opportunity_cost_micros": array("opportunity_cost_micros", pa.int64()),
            "total_penalty_micros": pa.compute.add(
                array("penalty_amount_micros", pa.int64()), array("opportunity_cost_micros", pa.int64())
            ),
            "probability_assumed": array("probability_assumed", pa.uint8()).cast(pa.bool_()),
            "value_assumed": array("value_assumed", pa.uint8()).cast(pa.bool_()),
        }
    )
