"""The deadline index: nothing comes up too late, nor earlier than its bucket, and each entry once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.streams.partition.deadline_index import WIDTH_MS, DeadlineIndex, begin_of
from journeys.streams.rule.policy import DEFAULT_POLICY
from journeys.streams.rule.row import Row
from tests.fixtures.examples import examples

_AT = begin_of(1_760_000_000_000)
_instants = st.integers(0, 5 * WIDTH_MS) | st.sampled_from([0, WIDTH_MS - 1, WIDTH_MS, WIDTH_MS + 1])
_steps = st.lists(st.tuples(st.sampled_from(["file", "file", "file", "take", "first"]), _instants), max_size=40)


@settings(max_examples=examples(500), deadline=None)
@given(_steps)
def test_entries_come_up_in_time_and_once(steps: list[tuple[str, int]]) -> None:
    """Whatever is filed between looking and taking; a bucket that was opened knows each instant exactly."""
    index, filed, opened_until = DeadlineIndex(), {}, 0
    for number, (what, instant) in enumerate(steps):
        at = _AT + instant
        if what == "file":
            row = Row(f"journey-{number}", DEFAULT_POLICY)
            under = index.file(at, row)
            assert under == (at if at < opened_until else begin_of(at))
            filed[row.journey_id] = at, under
        elif what == "take":
            taken = [(row.journey_id, under) for under, row in index.take(at)]
            assert sorted(taken) == sorted((name, under) for name, (_, under) in filed.items() if under <= at)
            opened_until = max([opened_until, *(begin_of(under) + WIDTH_MS for _, under in taken)])
            for name, _ in taken:
                del filed[name]
        else:
            first = index.first()
            expected = min(((under, name) for name, (_, under) in filed.items()), default=None)
            assert (first and first[:2]) == expected
            if first is not None:
                opened_until = max(opened_until, begin_of(first[0]) + WIDTH_MS)
                index.pop()
                del filed[first[1]]
        assert len(index) == len(filed)
