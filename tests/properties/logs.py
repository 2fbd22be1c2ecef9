"""Random logs of one partition, as the processor takes them.

A processor runs along while a log is drawn, so that records can be put on, just before and just
after the instants at which something is decided. All chance comes in as `pick`, which takes one of a
sequence: hypothesis picks for `logs`, a seed for `seeded_log` (many times faster).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import (
    SIGNALS,
    JourneyCommand,
    JourneyRegistered,
    JourneySignal,
    PolicyChanged,
    Punctuation,
    Touchpoint,
)
from journeys.streams.partition.entry import Entry
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from tests.properties.draft import BASE, ELSEWHERE, Draft, Pick, forgotten_at
from tests.properties.policies import IMPOSTORS, POLICIES

_JUMPS: Final = [40 * DAY_MS, 400 * DAY_MS]
_COSTS: Final = [0, 1, 333_333, 5_000_000, 20_000_000]
_SEGMENTS: Final = [None, None, "new", "old"]
_STATES: Final = [None, None, "AWARE", "CONSIDERING", "INTENT", "INTENT", "CONVERTED"]


def _touchpoint(draft: Draft) -> None:
    journey_id, row = draft.journey()
    pick = draft.pick
    record = Touchpoint(
        journey_id,
        f"user-{len(draft.entries)}",
        draft.identity(journey_id),
        draft.instant(row),
        state=pick(_STATES),
        cost_micros=pick(_COSTS),
        conversion_probability=pick([None, None, 0.3]),
        conversion_value_micros=pick([None, None, 90_000_000]),
        action_id=pick([None, f"action-{len(draft.entries)}"]),
        segment=pick(_SEGMENTS),
    )
    draft.add_journey_record(record)


def _registration(draft: Draft) -> None:
    journey_id, row = draft.journey()
    pick = draft.pick
    timeout_ms, inactivity_ms = pick([None, DAY_MS, 5 * DAY_MS]), pick([None, 6 * HOUR_MS, 4 * DAY_MS])
    at = draft.instant(row)
    draft.add_journey_record(
        JourneyRegistered(
            journey_id, "user", at, timeout_ms, inactivity_ms, pick([None, None, 15_000_000]), pick(_SEGMENTS)
        )
    )


def _request(draft: Draft) -> None:
    journey_id, row = draft.journey()
    pick = draft.pick
    at = draft.instant(row)
    command_id = pick([None, draft.identity(journey_id)])
    what = pick(["extend", "extend", "abandon", *SIGNALS])
    if what in SIGNALS:
        draft.add_journey_record(JourneySignal(journey_id, at, what, command_id))
    elif what == "extend":
        by_ms = pick([HOUR_MS, 2 * DAY_MS, 30 * DAY_MS])
        draft.add_journey_record(JourneyCommand(journey_id, at, what, None, by_ms, command_id))
    else:
        draft.add_journey_record(JourneyCommand(journey_id, at, what, "USER_FATIGUE", None, command_id, "me", "why"))


def _punctuation(draft: Draft) -> None:
    draft.add(Punctuation(draft.clock_instant(), draft.time_source), None)


def _policy(draft: Draft, *others: Policy) -> None:
    policy = draft.pick((*draft.policies, *others))
    draft.add(PolicyChanged(policy.version, policy.to_json(), BASE), None)


def _policy_or_default(draft: Draft) -> None:
    _policy(draft, DEFAULT_POLICY)


def _late_before_forgotten(draft: Draft) -> None:
    """A late touchpoint, then the punctuation that forgets its journey."""
    row = draft.closed()
    if row is None or row.late_until is None or draft.in_time:
        _touchpoint(draft)
        return
    draft.add_journey_record(Touchpoint(row.journey_id, "user", f"late-{len(draft.entries)}", row.late_until))
    draft.add(Punctuation(forgotten_at(row), draft.time_source), None)


def _overdue_at_once(draft: Draft) -> None:
    """A punctuation, then a record so old that its episode is overdue as it begins: the next punctuation's business."""
    if draft.in_time:
        _touchpoint(draft)
        return
    draft.add(Punctuation(draft.clock_instant(), draft.time_source), None)
    journey_id, row = draft.journey()
    at = (draft.partition.clock or BASE) - 3 * DAY_MS
    if row is not None and row.late_until is not None:
        at = max(at, row.late_until + 1)
    draft.add_journey_record(Touchpoint(journey_id, "user", f"old-{len(draft.entries)}", at, cost_micros=7))


def _sent_again(draft: Draft) -> None:
    """An earlier record of a journey once more, however long ago it was."""
    earlier = [entry.record for entry in draft.entries if isinstance(entry.record, Touchpoint | JourneyRegistered)]
    if earlier and not draft.in_time:
        draft.add_journey_record(draft.pick(earlier))
    else:
        _touchpoint(draft)


def _punctuations_of_two(draft: Draft) -> None:
    """Two workers take the same partition for theirs: the second writes the same instant, or one long past."""
    at = draft.clock_instant()
    draft.add(Punctuation(at, draft.time_source, "first"), None)
    draft.add(Punctuation(at - draft.pick([0, 0, 1, DAY_MS, 20 * DAY_MS]), draft.time_source, "second"), None)


def _clock_jump(draft: Draft) -> None:
    """A punctuation far ahead: everything that is open ends, most that ended is forgotten."""
    draft.add(Punctuation(draft.clock_instant() + draft.pick(_JUMPS), draft.time_source), None)


def _wrong_clock(draft: Draft) -> None:
    """A clock is wrong for some records, and is corrected: often the worker's alone, sometimes the broker's, too."""
    if draft.in_time:
        _touchpoint(draft)
        return
    draft.add_wrong_time(draft.pick([60_001, HOUR_MS, 4 * DAY_MS, *_JUMPS]), broker_too=draft.pick([False, True]))
    for _ in range(draft.pick([0, 1, 2, 4])):
        draft.pick((_touchpoint, _touchpoint, _registration, _request, _punctuation))(draft)
    draft.correct_clock()


def _clock_corrected(draft: Draft) -> None:
    """A correction where nothing is wrong."""
    if draft.in_time:
        _touchpoint(draft)
    else:
        draft.correct_clock()


def _live_begins(draft: Draft) -> None:
    """The topic becomes live; said again, nothing changes."""
    if draft.in_time:
        _touchpoint(draft)
    else:
        draft.begin_live_time()


def _dead(draft: Draft) -> None:
    if draft.in_time:
        _touchpoint(draft)
        return
    pick = draft.pick
    journey_id, row = draft.journey()
    what = pick(["value", "key", "elsewhere", "policy", "impostor", "time source"])
    touchpoint = Touchpoint(journey_id, None, "dead", draft.instant(row))
    if what == "value":
        draft.add(InvalidRecordError("value", b"junk", "Avro"), journey_id.encode(), b"junk")
    elif what == "key":
        draft.add(touchpoint, pick([None, b"other"]), b"wire bytes")
    elif what == "elsewhere":
        draft.add(touchpoint._replace(journey_id=ELSEWHERE), ELSEWHERE.encode())
    elif what == "policy":
        draft.add(PolicyChanged("short-1", pick(["{", '{"version": "other-1"}']), BASE), None)
    elif what == "impostor":
        policy = pick(IMPOSTORS)
        draft.add(PolicyChanged(policy.version, policy.to_json(), BASE), None)
    else:
        other = "live" if draft.time_source == "simulated" else "simulated"
        draft.add(Punctuation(draft.clock_instant(), other), None)


_WHAT: Final = (
    *[_touchpoint] * 20,
    *[_punctuation] * 9,
    *[_registration] * 3,
    *[_request] * 4,
    *[_policy_or_default] * 2,
    *[_late_before_forgotten] * 4,
    *[_overdue_at_once] * 2,
    _sent_again,
    _punctuations_of_two,
    _clock_jump,
    _wrong_clock,
    _clock_corrected,
    _live_begins,
    _dead,
)


def draw_log(
    pick: Pick, lengths: Sequence[int], policies: Sequence[Policy] = POLICIES, *, in_time: bool = False
) -> list[Entry]:
    """Draw a log of about as many entries as one of `lengths` says; most begin with a policy."""
    draft = Draft(pick, policies, in_time=in_time)
    if in_time:
        _policy(draft)
        draft.add(Punctuation(BASE, draft.time_source), None)  # the topic's time source is settled
    elif pick(range(6)):
        _policy(draft, DEFAULT_POLICY)
    for _ in range(pick(lengths)):
        pick(_WHAT)(draft)
    return draft.entries


def logs(policies: Sequence[Policy] = POLICIES, *, in_time: bool = False) -> st.SearchStrategy[list[Entry]]:
    """Logs of one partition, drawn by hypothesis, which shrinks them by putting zeros for bytes."""
    return st.binary(min_size=64, max_size=640).map(
        lambda drawn: draw_log(_picked_by(drawn), range(1, 41), policies, in_time=in_time)
    )


def _picked_by(drawn: bytes) -> Pick:
    """Picks by one byte each, the first of the options when all are used up: one draw where there would be hundreds."""
    rest = iter(drawn)
    return lambda options: options[next(rest, 0) % len(options)]


def seeded_log(seed: int, lengths: Sequence[int] = range(5, 45)) -> list[Entry]:
    """Log of a seed, the same each time."""
    return draw_log(random.Random(seed).choice, lengths)
