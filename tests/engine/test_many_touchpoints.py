"""Many touchpoints of few journeys in one batch, with punctuations between: what the reference makes of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Final

import pytest

from journeys.schemas.instants import DAY_MS, HOUR_MS, SECOND_MS
from journeys.schemas.money import LARGEST_MICROS, LARGEST_SUM_MICROS
from journeys.schemas.records import (
    InputRecord,
    JourneyCommand,
    JourneyRegistered,
    PolicyChanged,
    Punctuation,
    Touchpoint,
)
from journeys.streams.partition.entry import Entry
from journeys.streams.rule.policy import Policy
from tests.engine.comparison import CODEC, compare, needs_engine, reference, result_of
from tests.fixtures.examples import examples
from tests.fixtures.wire_record import WireRecord, on_the_wire

_AT: Final = 1_760_000_000_000
_SEEDS: Final = examples(30)
_MINUTE_MS: Final = 60 * SECOND_MS
_STEPS: Final = [0, 0, 1, _MINUTE_MS, _MINUTE_MS, HOUR_MS, 5 * HOUR_MS]
_LONG_STEPS: Final = [12 * HOUR_MS, DAY_MS, 3 * DAY_MS, 15 * DAY_MS, 40 * DAY_MS]
_STEPS_BACK: Final = [1, _MINUTE_MS, HOUR_MS, DAY_MS, 4 * DAY_MS, 31 * DAY_MS]
_STATES: Final = [None, None, "UNAWARE", "AWARE", "CONSIDERING", "INTENT"]
_PLAIN: Final = Policy.model_validate({"version": "plain", "cleanup": {"stale_data_days": "4", "batch_size": 2}})
_BUDGET: Final = Policy.model_validate(
    {
        "version": "budget",
        "limits": {"budget": "40", "conversion_quiet_period_hours": "2"},
        "cleanup": {"stale_data_days": "4"},
    }
)
_TIRED: Final = Policy.model_validate(
    {
        "version": "tired",
        "fatigue": {"touchpoints": 40, "window_hours": "24"},
        "extension": {"touchpoints": 2, "extend_by_days": "1.5"},
    }
)


class _Draft:
    """Records of a seed in order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.is_live = seed % 2 == 1
        self.journeys = self.random.choice([1, 2, 3, 8, 30])
        largest = [LARGEST_MICROS, LARGEST_MICROS, LARGEST_MICROS - 1]
        self.costs = self.random.choice([[0, 1, 333_333], [0, 1_000_000], largest, [*largest, 0, 5]])
        self.policies = self.random.choice([[], [], [_PLAIN], [_PLAIN, _BUDGET], [_BUDGET], [_TIRED, _PLAIN]])
        self.steps, self.converting, self.straying = _STEPS, 0.01, 0.05
        # Punctuations join touchpoints only where none of these is so old that its journey may be forgotten.
        self.steps_back = _STEPS_BACK[: self.random.choice([4, 4, len(_STEPS_BACK)])]
        self.ahead = self.random.choice([[0], [0, -HOUR_MS, 71 * HOUR_MS, 73 * HOUR_MS]])
        self.lags = self.random.choice([[0], [0, HOUR_MS], [0, 0, 0, 2 * HOUR_MS]])
        self.per_long_step = self.random.choice([50, 200, 1_000])
        self.now = _AT
        self.ids: dict[str, list[str]] = {}

    def rush(self) -> None:
        """Have a journey or two that see touchpoints at the greatest cost, so many that their sum is too large."""
        self.journeys, self.costs, self.policies = 2 if self.is_live else 1, [LARGEST_MICROS], []
        self.steps, self.converting, self.per_long_step = [0, 0, 1, SECOND_MS], 0.0, 10**9
        self.straying = 0.05 if self.journeys == 2 else 0.0
        self.steps_back, self.ahead = [1, HOUR_MS], [0]

    def records(self, count: int) -> Iterator[InputRecord]:
        """So many, and a punctuation that ends all in the end."""
        choose = self.random.random
        for policy in self.policies[:1]:
            yield PolicyChanged(policy.version, policy.to_json(), self.now)
        yield Punctuation(self.now, self.time_source)
        for number in range(count):
            self.now += self.random.choice(_LONG_STEPS if choose() < 1 / self.per_long_step else self.steps)
            kind = choose()
            if kind < 0.01:
                yield Punctuation(self.now + self.random.choice(self.ahead), self.time_source)
            elif kind < 0.012 and self.converting:
                yield self._other()
            else:
                yield self._touchpoint(number)
        yield Punctuation(self.now + 200 * DAY_MS, self.time_source)

    @property
    def time_source(self) -> str:
        """That of the topic."""
        return "live" if self.is_live else "simulated"

    def _journey(self) -> str:
        # A few are hot.
        return f"journey-{min(self.random.randrange(self.journeys), self.random.randrange(self.journeys))}"

    def _touchpoint(self, number: int) -> Touchpoint:
        draw, choose = self.random, self.random.random
        journey_id = self._journey()
        had = self.ids.setdefault(journey_id, [])
        repeated = had and choose() < self.straying
        touchpoint_id = draw.choice(had[-12:]) if repeated else f"t-{number}"
        had.append(touchpoint_id)
        at = self.now - draw.choice(self.steps_back) if choose() < self.straying else self.now
        state = "CONVERTED" if choose() < self.converting else draw.choice(_STATES)
        return Touchpoint(
            journey_id,
            draw.choice([None, "user", "another"]),
            touchpoint_id,
            at,
            "email",
            None,
            state,
            draw.choice(self.costs),
            draw.choice([None, None, None, 0.0, 0.05, 1.0, choose()]),
            draw.choice([None, None, 0, 40, LARGEST_MICROS, draw.randrange(10**9)]),
            draw.choice([None, None, f"action-{number}"]),
            draw.choice([None, None, "p-1", "p-2"]),
            draw.choice([None, None, choose()]),
        )

    def _other(self) -> InputRecord:
        draw, journey_id = self.random, self._journey()
        if self.policies and draw.random() < 0.5:
            policy = draw.choice(self.policies)
            return PolicyChanged(policy.version, policy.to_json(), self.now)
        if draw.random() < 0.3:
            return JourneyCommand(journey_id, self.now, "abandon")
        times_ms = draw.choice([(None, None), (5 * DAY_MS, 30 * HOUR_MS), (None, 72 * HOUR_MS - _MINUTE_MS)])
        budget_micros = draw.choice([None, 5_000_000, 100 * LARGEST_MICROS])
        return JourneyRegistered(journey_id, None, self.now, *times_ms, budget_micros)


def _wire(draft: _Draft, count: int) -> Iterator[WireRecord]:
    """Records as they lie in the log; of a live topic, appended when they happened or a little earlier."""
    offset = appended_at = 0
    for record in draft.records(count):
        offset += draft.random.choice([1, 1, 1, 3])
        at = record.at if isinstance(record, Punctuation) else draft.now
        appended_at = max(appended_at, at - draft.random.choice(draft.lags))
        key = None if isinstance(record, PolicyChanged | Punctuation) else record.journey_id.encode()
        yield on_the_wire(Entry(offset, key, appended_at if draft.is_live else None, record), CODEC)


@cache
def _batches(seed: int) -> list[list[WireRecord]]:
    """A log of 1,000 to 2,500 records, in batches of 200 to 2,000."""
    draft = _Draft(seed)
    draw = draft.random
    log = list(_wire(draft, draw.randrange(1_000, 2_500)))
    edges = [0]
    while edges[-1] < len(log):
        edges.append(edges[-1] + draw.randrange(200, 2_000))
    return [log[begin:end] for begin, end in pairwise(edges)]


@needs_engine
@pytest.mark.parametrize("seed", range(_SEEDS))
def test_many_touchpoints_of_few_journeys_are_what_the_reference_makes_of_them(seed: int) -> None:
    """Hundreds of one journey, repeated, out of order, late, ahead, converting, over budget."""
    batches = _batches(seed)
    assert compare(batches, 0, 1, restarts=seed % 5 == 0) == sum(map(len, batches))


@needs_engine
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", [700, 12_000])
def test_sums_stop_at_the_largest(seed: int, size: int) -> None:
    """Beyond a touchpoint of a batch, and where those of a batch alone come to more."""
    draft = _Draft(seed)
    draft.rush()
    log = list(_wire(draft, 11_000))
    batches = [log[begin : begin + size] for begin in range(0, len(log), size)]
    assert compare(batches, 0, 1) == len(log)
    processor = reference(0, 1)
    result_of(processor, log[:-1])
    assert LARGEST_SUM_MICROS in {row.total_cost_micros for row in processor.partition.rows.values()}


def test_the_logs_hold_what_they_should() -> None:
    """Touchpoints of every kind, and ends of several reasons."""
    names = ["applied", "late", "duplicate", "dead", "punctuations", "policies"]
    seen = dict.fromkeys(names, 0)
    ends: dict[str, int] = {}
    for seed in range(16):
        processor = reference(0, 1)
        for batch in _batches(seed):
            result = result_of(processor, batch)
            for name in names:
                seen[name] += getattr(result.counts, name)
            for reason, count in result.tally[0].items():
                ends[reason] = ends.get(reason, 0) + count
    assert min(seen.values()) > 0, seen
    assert {"INACTIVITY", "TIMEOUT", "BUDGET_EXHAUSTED"} <= {reason for reason, count in ends.items() if count}
