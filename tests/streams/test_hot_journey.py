"""One hot journey: its row stays small, each of its touchpoints costs the same, and the others don't feel it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, SECOND_MS
from journeys.schemas.records import InputRecord, PolicyChanged, Punctuation, Touchpoint
from journeys.streams.partition.changelog import stored_rows
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import KEPT_TOUCHPOINTS, policy_from_toml
from tests.fixtures.record_examples import T0

CODEC = Codec()
TOUCHPOINTS = 100_000
FEW = 1_000
MEASURED = 50
_THREE_DAYS = 3 * 86_400
ROW_BYTES = 1_000
POLICIES = {
    "default": "",
    # 64 within a minute would tire it; it has one a second.
    "fatigue": "[fatigue]\ntouchpoints = 64\nwindow_hours = 0.0166\n",
    "extension": "[extension]\ntouchpoints = 64\nextend_by_days = 7\n",
    "both, and a budget": (
        "[limits]\nbudget = 1000000\n[fatigue]\ntouchpoints = 64\nwindow_hours = 0.0166\n"
        "[extension]\ntouchpoints = 64\nextend_by_days = 7\n"
    ),
}
# Each rule alone only where there is time: the last has all of them.
SINGLE_RULES_SLOW = [
    pytest.param(rules, id=name, marks=[pytest.mark.slow] if name in ("fatigue", "extension") else [])
    for name, rules in POLICIES.items()
]


class Journeys:
    """A partition in which journeys have a touchpoint a second."""

    def __init__(self, rules: str) -> None:
        self.partition = Partition()
        self._processor = Processor(self.partition)
        self._offset = 0
        if rules:
            policy = policy_from_toml(f'version = "hot"\n{rules}')
            self.apply(PolicyChanged(policy.version, policy.to_json(), T0))
        self.apply(Punctuation(T0, "simulated"))

    def apply(self, record: InputRecord) -> Effects:
        """Apply one record."""
        journey_id = getattr(record, "journey_id", None)
        self._offset += 1
        entry = Entry(self._offset, None if journey_id is None else journey_id.encode(), None, record)
        return self._processor.process([entry])

    def touch(self, journey_id: str, first: int, behind: int) -> Effects:
        """Apply touchpoints of these numbers; gives the effects of the last."""
        effects = Effects()
        for number in range(first, behind):
            at = T0 + number * SECOND_MS
            state = "INTENT" if number % 2 else None
            touchpoint = Touchpoint(journey_id, "u", f"t{number}", at, "search", "click", state, 1_000, 0.5, None, "a")
            effects = self.apply(touchpoint)
        return effects


def instructions(work: Callable[[], Any]) -> int:
    """How many bytecode instructions the work takes: the same wherever and whenever it runs."""
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    gc.disable()  # a collection would run finalizers of other tests' objects, which count, too
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def row_bytes(effects: Effects) -> int:
    """Size of the one row that changed."""
    (row,) = stored_rows(effects, CODEC)
    assert row.value is not None
    return len(row.value)


@pytest.mark.parametrize("rules", SINGLE_RULES_SLOW)
def test_a_journey_of_100000_touchpoints_is_no_more_work_and_no_larger(rules):
    """Instructions a touchpoint and bytes of the row, behind the first thousand and behind the last."""
    journeys = Journeys(rules)

    def measured(first: int) -> tuple[int, int, int]:
        work = instructions(lambda: journeys.touch("hot", first, first + MEASURED))
        time = instructions(lambda: journeys.apply(Punctuation(T0 + first * SECOND_MS, "simulated")))
        return work, time, row_bytes(journeys.touch("hot", first + MEASURED, first + MEASURED + 1))

    journeys.touch("hot", 0, FEW)
    early = measured(FEW)
    assert early[2] < ROW_BYTES
    journeys.touch("hot", FEW + MEASURED + 1, TOUCHPOINTS)
    late = measured(TOUCHPOINTS)
    row = journeys.partition.rows["hot"]
    assert (row.open, row.touchpoint_count) == (True, TOUCHPOINTS + MEASURED + 1)
    assert len(row.touchpoint_times) == (KEPT_TOUCHPOINTS if "extension" in rules or "fatigue" in rules else 0)
    assert (late[0] <= early[0], late[1] <= early[1]) == (True, True), f"{early} became {late}"
    assert early[2] <= late[2] <= early[2] + 4  # greater numbers take more bytes, at most two of them
    assert len(journeys.partition._deadlines) == 1


def others_work(rules: str, touchpoints: int) -> tuple[int, int]:
    """Instructions of 20 cool journeys beside a hot one: of the touchpoints of one, and of the ends of all."""
    journeys = Journeys(rules)
    for number in range(20):
        journeys.touch(f"cool-{number}", 0, 1)
    journeys.touch("hot", 0, touchpoints)
    work = instructions(lambda: journeys.touch("cool-1", 1, MEASURED))
    journeys.touch("hot", _THREE_DAYS, _THREE_DAYS + 1)  # so that it is not due with the others
    time = instructions(lambda: journeys.apply(Punctuation(T0 + 4 * DAY_MS, "simulated")))
    assert [row.journey_id for row in journeys.partition.rows.values() if row.open] == ["hot"]
    return work, time


@pytest.mark.parametrize("rules", POLICIES.values(), ids=POLICIES)
def test_the_others_do_not_feel_it(rules):
    """Their touchpoints and their ends take as many instructions beside a hot journey as beside a cool one."""
    others_work(rules, 200)  # what is computed once and kept is not counted
    beside_cool = others_work(rules, 200)
    assert others_work(rules, 20_000) == beside_cool
