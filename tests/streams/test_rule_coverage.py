"""Rules that decide nothing are found, as by asking every journey that there can be."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as some

from journeys.schemas.records import CONVERTED, STATES
from journeys.streams.rule.deadlines import DeadlineRule, Deadlines
from journeys.streams.rule.rule_coverage import IdleRule, idle_rules
from tests.fixtures.examples import examples

_OPEN = [state for state in STATES if state != CONVERTED]
_RULES = some.builds(
    dict,
    state=some.none() | some.lists(some.sampled_from(_OPEN), min_size=1, max_size=3),
    segment=some.none() | some.lists(some.sampled_from(["a", "b"]), min_size=1, max_size=2),
    touchpoints_from=some.none() | some.integers(0, 3),
    touchpoints_to=some.none() | some.integers(3, 5),
    inactivity_hours=some.none() | some.just(1),
    timeout_days=some.just(1),
)


def deadlines(*rules):
    """Deadlines with rules named after their places."""
    return Deadlines(by=tuple(DeadlineRule(name=str(place), **rule) for place, rule in enumerate(rules)))


def deciding(of):
    """Rules that decide a duration for some journey, by asking each of those that differ."""
    found = set()
    for state, segment, touchpoints in product(_OPEN, [None, "a", "b", "c"], range(8)):
        if touchpoints == 0 and state != "UNAWARE":
            continue
        for duration, rule in (
            ("inactivity_hours", of.rule_for_inactivity(state, segment, touchpoints)),
            ("timeout_days", of.rule_for_timeout(state, segment, touchpoints)),
        ):
            if rule is not None:
                found.add((rule.name, duration))
    return found


@settings(max_examples=examples(300), deadline=None)
@given(some.lists(_RULES, min_size=1, max_size=6))
def test_idle_rules_are_those_that_decide_for_no_journey(rules):
    """By name and duration."""
    of = deadlines(*rules)
    given_durations = {
        (rule.name, duration)
        for rule in of.by
        for duration in ("inactivity_hours", "timeout_days")
        if getattr(rule, duration) is not None
    }
    assert {(idle.name, idle.duration) for idle in idle_rules(of)} == given_durations - deciding(of)


def test_it_names_the_rules_that_come_first():
    """All that overlap with it; none for a rule that can never hold."""
    of = deadlines(
        {"state": ["INTENT"], "inactivity_hours": 1},
        {"segment": ["b2b"], "timeout_days": 1},
        {"state": ["INTENT"], "segment": ["b2b"], "inactivity_hours": 2, "timeout_days": 2},
        {"state": ["AWARE"], "touchpoints_to": 0, "timeout_days": 3},
        {"touchpoints_to": 3, "timeout_days": 4},
        {"touchpoints_from": 4, "timeout_days": 5},
        {"timeout_days": 6},
    )
    assert idle_rules(of) == [
        IdleRule("2", "inactivity_hours", ("0",)),
        IdleRule("2", "timeout_days", ("1",)),
        IdleRule("3", "timeout_days", ()),
        IdleRule("6", "timeout_days", ("1", "4", "5")),
    ]
