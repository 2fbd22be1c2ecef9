"""The index of slots: each comes up in time, once, and no earlier than its bucket begins."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.streams.partition.deadline_index import WIDTH_MS, begin_of
from journeys.streams.slot_index import SlotIndex
from tests.fixtures.examples import examples

Filed: TypeAlias = dict[int, int]
"""Instants by slot."""

_AT = begin_of(1_760_000_000_000)
_SLOTS = 12
_EDGES = [0, 1, WIDTH_MS - 1, WIDTH_MS, WIDTH_MS + 1, -1, -WIDTH_MS]
_instants = (st.integers(-WIDTH_MS, 5 * WIDTH_MS) | st.sampled_from(_EDGES)).map(lambda ms: _AT + ms)
_batches = st.dictionaries(st.integers(0, _SLOTS - 1), _instants, max_size=_SLOTS)
_steps = st.lists(
    st.tuples(st.just("file"), _batches)
    | st.tuples(st.sampled_from(["take", "count", "first"]), _instants)
    | st.tuples(st.just("disarm"), st.integers(0, _SLOTS - 1)),
    max_size=30,
)


def _index() -> SlotIndex:
    index = SlotIndex()
    index.grow(_SLOTS)
    return index


def _file(index: SlotIndex, at: Filed) -> None:
    index.file(np.array(list(at), np.int64), np.array(list(at.values()), np.int64))


@settings(max_examples=examples(2_000), deadline=None)
@given(_steps)
def test_slots_come_up_in_time_and_once(steps: list[tuple[str, Filed | int]]) -> None:
    """Filed anew under an earlier instant or a later one, counted, taken out, or disarmed and filed again."""
    index = _index()
    filed: Filed = {}
    """Of each slot the begin of its bucket."""
    earliest: Filed = {}
    """Of each slot the least instant that it was filed under since it last came up."""
    counted_until = 0
    for what, given_ in steps:
        if isinstance(given_, dict):
            _file(index, given_)
            for slot, at in given_.items():
                filed[slot] = min(filed.get(slot, begin_of(at)), begin_of(at))
                earliest[slot] = min(earliest.get(slot, at), at)
        elif what == "disarm":
            index.disarm(given_)
            filed.pop(given_, None)
            earliest.pop(given_, None)
        elif what == "count":
            assert index.count_until(given_) >= sum(begin <= given_ for begin in filed.values())
            counted_until = max(counted_until, given_)
        else:
            first = index.first_until()
            assert first is not None or not filed
            until = given_ if what == "take" or first is None else first
            taken = index.take(until).tolist()
            assert len(taken) == len(set(taken))
            # All that are due, and none before its bucket, unless it has been counted.
            assert {slot for slot, at in earliest.items() if at <= until} <= set(taken)
            assert set(taken) <= {slot for slot, begin in filed.items() if begin <= max(until, counted_until)}
            if what == "first" and filed and not taken:
                assert index.first_until() != first, "it would be asked again for ever"
            for slot in taken:
                del filed[slot], earliest[slot]
        assert all(index.quiet_until <= at for at in earliest.values())
    assert set(index.take(_AT + 9 * WIDTH_MS).tolist()) == set(filed)


@settings(max_examples=examples(500), deadline=None)
@given(_batches)
def test_whoever_takes_the_first_and_files_anew_finds_the_least(at: Filed) -> None:
    """As those who ask for the next deadline do: slots are filed under their true instants, and nothing is lost."""
    index = _index()
    _file(index, at)
    found: list[tuple[int, int]] = []
    while (until := index.first_until()) is not None:
        taken = {slot: at[slot] for slot in index.take(until).tolist()}
        found += sorted((instant, slot) for slot, instant in taken.items())
    assert found == sorted(found, key=lambda one: begin_of(one[0]))
    assert sorted(slot for _, slot in found) == sorted(at)


def test_a_slot_is_looked_at_no_later_than_before() -> None:
    """Filed under a later instant, it comes up at the earlier one; under an earlier one, at that, and not twice."""
    index = _index()
    _file(index, {3: _AT + WIDTH_MS})
    _file(index, {3: _AT + 3 * WIDTH_MS})
    assert index.take(_AT + WIDTH_MS - 1).tolist() == []
    assert index.take(_AT + WIDTH_MS).tolist() == [3]
    assert index.take(_AT + 9 * WIDTH_MS).tolist() == []
    _file(index, {3: _AT + 3 * WIDTH_MS, 5: _AT + 3 * WIDTH_MS})
    _file(index, {3: _AT})
    assert index.take(_AT).tolist() == [3]
    assert index.take(_AT + 9 * WIDTH_MS).tolist() == [5]
    assert index.first_until() is None


def test_an_earlier_instant_in_the_same_bucket_counts() -> None:
    """A deadline that comes nearer by a minute, as a registration may have it."""
    index = _index()
    _file(index, {3: _AT + 100})
    _file(index, {3: _AT + 50})
    assert index.quiet_until <= _AT + 50
    assert index.take(_AT + 50).tolist() == [3]


def test_more_slots_are_not_filed() -> None:
    """Those that are there stay where they were filed."""
    index = _index()
    _file(index, {1: _AT})
    index.grow(2 * _SLOTS)
    _file(index, {2 * _SLOTS - 1: _AT})
    assert index.take(_AT).tolist() == [1, 2 * _SLOTS - 1]


def test_count_of_entries_is_no_less_than_what_comes_up() -> None:
    """Entries that mean nothing any more are counted until they are taken out with the others."""
    index = _index()
    _file(index, {0: _AT + WIDTH_MS, 1: _AT + WIDTH_MS})
    _file(index, {0: _AT})
    assert [index.count_until(_AT - 1), index.count_until(_AT), index.count_until(_AT + WIDTH_MS)] == [0, 1, 3]
    assert index.take(_AT + WIDTH_MS).tolist() == [0, 1]
    assert index.count_until(_AT + 9 * WIDTH_MS) == 0
