"""How often punctuations come changes nothing but `detected_at`; deleting what is forgotten changes nothing at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.records import PolicyChanged, Punctuation
from journeys.streams.partition.entry import Entry
from tests.fixtures.examples import examples
from tests.properties.logs import logs
from tests.properties.outcome import Outcome, remembered, restored, run
from tests.properties.policies import SHORTEST_GRACE_MS, with_batch_size

_settings = settings(max_examples=examples(150), deadline=None)
_BEHIND_ALL_MS = 100 * DAY_MS  # by then the default policy too has nothing open
_places = st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0, 0, 1, HOUR_MS, DAY_MS])), max_size=12)


def _closed(log: list[Entry]) -> list[Entry]:
    """Return the log with a last punctuation behind everything in it."""
    latest = max(_instant(entry) for entry in log)
    return [*log, Entry(log[-1].offset + 20, None, None, Punctuation(latest + _BEHIND_ALL_MS, "simulated"))]


def _instant(entry: Entry) -> int:
    record = entry.record
    assert not isinstance(record, Exception)
    return record.at if isinstance(record, Punctuation) else record.occurred_at


def _latest_allowed(log: Sequence[Entry]) -> list[int]:
    """For each place, latest punctuation that leaves no later record behind the clock by the shortest grace."""
    latest = [_instant(log[-1])] * len(log)
    for place in range(len(log) - 2, -1, -1):
        latest[place] = latest[place + 1]
        if not isinstance(log[place].record, Punctuation | PolicyChanged):
            latest[place] = min(latest[place], _instant(log[place]) + SHORTEST_GRACE_MS - 1)
    return latest


def _with_more(log: list[Entry], places: Sequence[tuple[int, int]]) -> list[Entry]:
    """Return the log with punctuations put in as late as they may be, or earlier by the given span."""
    latest = _latest_allowed(log)
    more = []
    for number, (place, earlier_ms) in enumerate(places):
        behind = 1 + place % (len(log) - 1)  # behind the first, which settles the time source
        punctuation = Punctuation(latest[behind] - earlier_ms, "simulated")
        more.append(Entry(log[behind].offset - 1 - number, None, None, punctuation))
    return sorted([*log, *more], key=lambda entry: entry.offset)


def _with_fewer(log: list[Entry], places: Sequence[tuple[int, int]]) -> list[Entry]:
    """Return the log without some of its punctuations, neither the first nor the last."""
    own = [place for place, entry in enumerate(log) if isinstance(entry.record, Punctuation)][1:-1]
    gone = {own[place % len(own)] for place, _ in places} if own else set()
    return [entry for place, entry in enumerate(log) if place not in gone]


def _decided(outcome: Outcome) -> dict[str, list[Any]]:
    """What was decided, by journey and in order, without the time at which it was found out."""
    found: dict[str, list[Any]] = defaultdict(list)
    for record in outcome.abandonments:
        found[record.journey_id].append(record._replace(detected_at=0))
    for record in outcome.lifecycle:
        if record.kind != "extended_automatically":
            found[record.journey_id].append(record._replace(detected_at=0))
    return found


@_settings
@given(log=logs(in_time=True).map(_closed), places=_places)
def test_more_punctuations_change_nothing_but_detected_at(log: list[Entry], places: list[tuple[int, int]]) -> None:
    """Every abandonment and all lifecycle records are the same, with punctuations as late as they may be put in."""
    assert _decided(run([_with_more(log, places)])) == _decided(run([log]))


@_settings
@given(log=logs(in_time=True).map(_closed), places=_places)
def test_fewer_punctuations_change_nothing_but_detected_at(log: list[Entry], places: list[tuple[int, int]]) -> None:
    """Deadlines that pass between two punctuations fire later, or by a record of their journey, and no differently."""
    assert _decided(run([_with_fewer(log, places)])) == _decided(run([log]))


@_settings
@given(log=logs())
def test_deleting_what_is_forgotten_changes_nothing(log: list[Entry]) -> None:
    """Rows deleted one at each punctuation or a thousand: the same outputs, and the same is remembered."""
    slow, fast = ([_batch_size(entry, size) for entry in log] for size in (1, 1000))
    slowly, at_once = run([slow]), run([fast])
    assert slowly.outputs == at_once.outputs
    assert slowly.counts == at_once.counts
    assert remembered(restored(slowly.changelog)[0]) == remembered(restored(at_once.changelog)[0])


def _batch_size(entry: Entry, batch_size: int) -> Entry:
    if not isinstance(entry.record, PolicyChanged) or "cleanup" not in entry.record.policy:
        return entry
    return entry._replace(record=with_batch_size(entry.record, batch_size))
