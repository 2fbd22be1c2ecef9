"""The random logs reach what they are there for."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.examples import examples

from .logs import cases, logs, policies, seeded_case
from .reach import count
from .replay import run

REACHED = """
BUDGET_EXHAUSTED explicit, by command
BUDGET_EXHAUSTED explicit, by signal
BUDGET_EXHAUSTED explicit, by touchpoint
COMPETITOR_CONVERSION explicit, by command
COMPETITOR_CONVERSION explicit, by signal
INACTIVITY deadline, by command
INACTIVITY deadline, by punctuation
INACTIVITY deadline, by registration
INACTIVITY deadline, by signal
INACTIVITY deadline, by touchpoint
INACTIVITY explicit, by command
MANUAL_TERMINATION explicit, by command
TIMEOUT at the cap
TIMEOUT at the cap of 90 days
TIMEOUT deadline, by command
TIMEOUT deadline, by punctuation
TIMEOUT deadline, by registration
TIMEOUT deadline, by signal
TIMEOUT deadline, by touchpoint
TIMEOUT explicit, by command
USER_FATIGUE explicit, by command
USER_FATIGUE explicit, by signal
USER_FATIGUE explicit, by touchpoint
abandoned before its last touchpoint
abandoned under an earlier policy
abandoned under another policy than the episode before
abandoned without touchpoints
absent as soon as ended by its next record
budget met exactly
cleanup changed while a journey is remembered
clock corrected ahead
clock corrected back
clock corrected from nothing
conversion after a return
conversion after a return, after cleanup
converted
correction that does not count
deadline moved into the past
duplicate command
duplicate of an earlier episode
duplicate signal
duplicate touchpoint
ended by a wrong clock
extend at the cap
extended
extended automatically by punctuation
extended automatically by record
extended automatically once more
extended to the cap
extended_automatically
extended_automatically and abandoned at the cap at once
extended_automatically to the cap
forgotten by a wrong clock
id again after cleanup
id again after as many others as are remembered
late by a corrected clock
late by the conversion
late by the quiet period
late touchpoint of a conversion
late touchpoint of an abandonment
late touchpoint of no episode
late touchpoint while a newer episode is open
late_touchpoint
live punctuations
made punctuations
older touchpoint converts
overrides kept by a later episode
own punctuations
policy changed while an episode is open
policy that was in force before
punctuation ahead of its append time
punctuation at deadline + grace +0 ms
punctuation at deadline + grace -1 ms
punctuation at end + cleanup +0 ms
punctuation at end + cleanup -1 ms
punctuation going back
punctuation of no time
punctuation repeated
record after cleanup
record at the deadline +0 ms
record at the deadline -1 ms
record at the deadline end +0 ms
record at the deadline end +1 ms
record at the explicit end +0 ms
record at the explicit end +1 ms
record without a clock
refused
refused command late
refused command without an episode
refused registration late
refused registration without an episode
refused signal late
refused signal without an episode
registration
registration on an open episode
registration with an episode before
return that converts at once
returned
returned before its end
several abandoned at one deadline
several abandoned by one punctuation
started
started after a conversion
third episode abandoned
tie of TIMEOUT and INACTIVITY
timeout changed after extensions beyond the cap
touchpoint as old as the latest
touchpoint before started_at applied
touchpoint older than the latest
unknown journey at clock - cleanup +0 ms
unknown journey at clock - cleanup +1 ms
unknown journey within the cleanup in force, not within an earlier one
until ends the reading
"""
_OF_NO_JOURNEY = ("punctuation", "clock_corrected", "policy")
SLOW_TO_DRAW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def test_every_feature_is_reached():
    """Each way to end, each boundary, tie and refusal occurs in several of the first 1,000 seeds."""
    counted = count(1000)
    wanted = REACHED.strip().splitlines()
    assert {name: counted[name] for name in wanted if counted[name] < 5} == {}
    assert set(counted) == set(wanted)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=SLOW_TO_DRAW)
@given(case=cases())
def test_what_holds_for_every_log(case):
    """Ids are unique, episodes of a journey follow each other, each line that is read has one outcome."""
    policy, lines, until = case
    result = run(lines, policy=policy, until=until)
    ids = [a["abandonment_id"] for a in result.abandonments]
    assert len(ids) == len(set(ids))
    for journey_id in {a["journey_id"] for a in result.abandonments}:
        own = [a for a in result.abandonments if a["journey_id"] == journey_id]
        starts = [a["started_at"] for a in own]
        assert starts == sorted(set(starts))
        # A corrected clock takes journeys back before the end that a wrong one has given them.
        instants = [instant for a in own for instant in (a["started_at"], a["abandoned_at"])]
        assert instants == sorted(instants) or any(raw.get("kind") == "clock_corrected" for raw in lines)
    kinds = [raw.get("kind") for raw in lines]
    records = [offset for offset, kind in enumerate(kinds, start=1) if kind not in _OF_NO_JOURNEY]
    read = sorted(result.outcomes)
    assert read == records[: len(read)]
    assert until is not None or read == records
    assert sum(result.counts.values()) == len(read) + len(result.dead)
    assert {kinds[offset - 1] for offset in result.dead} <= {"punctuation", "clock_corrected"}


@settings(max_examples=examples(30), deadline=None, suppress_health_check=SLOW_TO_DRAW)
@given(data=st.data(), punctuations=st.booleans())
def test_logs_hold_punctuations_as_asked(data, punctuations):
    """With punctuations there is at least one, without there is none."""
    lines = data.draw(logs(data.draw(policies()), punctuations=punctuations))
    assert any(raw.get("kind") == "punctuation" for raw in lines) == punctuations


def test_a_seed_gives_the_same_case_again():
    """A case that failed can be had again from its seed."""
    assert seeded_case(7) == seeded_case(7)
    assert seeded_case(7) != seeded_case(8)
