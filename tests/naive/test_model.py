"""The naive model on small logs whose outcome is worked out by hand from docs/rule.md.

Unless a case says otherwise the policy is the default one.
"""

from __future__ import annotations

from .line import DAY, HOUR
from .written import at, ends, order, register, said, touch
from .written import run_out as run


def test_silence_of_72_hours_ends_a_journey():
    """INACTIVITY at last touchpoint + 72 h; found by the next line, or at the end 91 days after the last."""
    result = run([touch(0), touch(1), touch(20, journey="k")])
    assert ends(result) == [("INACTIVITY", 4 * DAY), ("INACTIVITY", 23 * DAY)]
    assert [a["detected_at"] for a in result.abandonments] == [at(20), at(111)]
    assert result.counts == {"applied": 3, "late": 0, "duplicate": 0, "refused": 0, "dead": 0}


def test_timeout_of_14_days_ends_a_busy_journey():
    """TIMEOUT at started_at + 14 days, with all touchpoints before it counted."""
    (a,) = run([touch(day) for day in range(0, 14, 2)]).abandonments
    assert (a["abandonment_reason"], a["abandoned_at"]) == ("TIMEOUT", at(14))
    assert (a["touchpoint_count"], a["total_cost_micros"], a["last_touchpoint_at"]) == (7, 7_000_000, at(12))
    assert a["days_active"] == 14


def test_timeout_wins_a_tie():
    """72 h after a touchpoint on day 11 is the timeout; a millisecond earlier is inactivity."""
    days = [touch(day) for day in (0, 2, 4, 6, 8, 9, 10)]
    assert ends(run([*days, touch(11)])) == [("TIMEOUT", 14 * DAY)]
    assert ends(run([*days, touch(11, -1)])) == [("INACTIVITY", 14 * DAY - 1)]


def test_a_deadline_is_exclusive():
    """A touchpoint 1 ms before the deadline goes on, one at the deadline begins a new episode."""
    assert said(run([touch(0), touch(3, -1)])) == [("started", 1)]
    result = run([touch(0), touch(3)])
    assert said(result) == [("started", 1), ("returned", 2)]
    assert result.lifecycle[1]["abandonment_id"] == result.abandonments[0]["abandonment_id"]
    assert result.lifecycle[1]["started_at"] == at(3)
    assert [a["started_at"] for a in result.abandonments] == [at(0), at(3)]


def test_an_explicit_end_is_inclusive():
    """After a signal at day 1 a touchpoint at that instant is late, one a millisecond later returns."""
    result = run([touch(0), order("signal", "competitor_conversion", 1), touch(1, name="a"), touch(1, 1)])
    assert ends(result)[0] == ("COMPETITOR_CONVERSION", 1 * DAY)
    assert said(result) == [("started", 1), ("late_touchpoint", 3), ("returned", 4)]
    assert result.lifecycle[1]["started_at"] == at(0)
    assert result.lifecycle[1]["abandonment_id"] == result.abandonments[0]["abandonment_id"]
    assert [a["terminated"] for a in result.abandonments] == [True, False]


def test_an_explicit_end_is_not_before_the_last_activity():
    """A command that occurred before the last touchpoint ends the episode at that touchpoint."""
    assert ends(run([touch(0), touch(2), order("command", "abandon", 1)])) == [("MANUAL_TERMINATION", 2 * DAY)]


def test_extend_up_to_the_cap():
    """14 + 60 + 60 days are clamped at 90; an extension at the cap is accepted and changes nothing."""
    lines = [register(0, inactivity_hours=2400)]
    lines += [order("command", "extend", day, days=60) for day in (1, 2, 3)]
    result = run(lines)
    assert ends(result) == [("TIMEOUT", 90 * DAY)]
    assert said(result) == [("started", 1), ("extended", 2), ("extended", 3), ("extended", 4)]


def test_an_engaged_journey_is_extended_automatically():
    """Due on day 14 with a touchpoint on day 12: extended by 2 days, then silence since day 12 comes first."""
    days = [touch(day, state="INTENT") for day in range(0, 14, 2)]
    result = run(days, policy={"extension": {"touchpoints": 1, "extend_by_ms": 2 * DAY}})
    assert ends(result) == [("INACTIVITY", 15 * DAY)]
    assert said(result) == [("started", 1), ("extended_automatically", 8)]


def test_automatic_extensions_of_one_firing_are_said_once():
    """On day 20 an episode of 14 days is extended five days at a time to its cap of 20 days, and ends there."""
    policy = {"inactivity_ms": 40 * DAY, "max_journey_duration_ms": 20 * DAY}
    policy["extension"] = {"touchpoints": 1, "extend_by_ms": 5 * DAY}
    result = run([touch(0, state="CONSIDERING"), touch(20, journey="k")], policy=policy)
    assert ends(result)[0] == ("TIMEOUT", 20 * DAY)
    assert said(result)[:2] == [("started", 1), ("extended_automatically", 2)]


def test_the_window_of_the_automatic_extension():
    """Touchpoints in (deadline - inactivity, deadline] count: one 72 h before does not; nor does UNAWARE."""
    policy = {"extension": {"touchpoints": 1, "extend_by_ms": DAY}}
    busy = [touch(day, state="INTENT") for day in (0, 2, 4, 6, 8, 10)]
    assert said(run([*busy, touch(11)], policy=policy)) == [("started", 1)]
    assert ends(run([*busy, touch(11, 1)], policy=policy)) == [("INACTIVITY", 14 * DAY + 1)]
    assert ends(run([*busy, touch(11, 1, state="AWARE")], policy=policy)) == [("TIMEOUT", 14 * DAY)]


def test_fatigue_looks_back_from_the_last_touchpoint():
    """Three touchpoints in (last - 1 day, last] tire; one exactly a day ago does not count."""
    policy = {"fatigue": {"touchpoints": 3, "window_ms": DAY}}
    assert ends(run([touch(0), touch(0.5), touch(1)], policy=policy)) == [("INACTIVITY", 4 * DAY)]
    assert ends(run([touch(0, 1), touch(0.5), touch(1)], policy=policy)) == [("USER_FATIGUE", DAY)]


def test_conversion_before_budget_before_fatigue():
    """One touchpoint that converts, spends the budget and tires does the first of them that is there."""
    policy = {"budget_micros": 2_000_000, "fatigue": {"touchpoints": 2, "window_ms": DAY}}
    assert ends(run([touch(0), touch(0.1, state="CONVERTED")], policy=policy)) == []
    assert ends(run([touch(0), touch(0.1)], policy=policy)) == [("BUDGET_EXHAUSTED", int(0.1 * DAY))]
    assert ends(run([touch(0), touch(0.1, cost=0.999999)], policy=policy)) == [("USER_FATIGUE", int(0.1 * DAY))]


def test_an_older_touchpoint_counts_but_changes_no_state():
    """State, probability and value are of the latest; an equal instant is not older; an absent one keeps."""
    first = touch(1, state="AWARE", conversion_probability=0.5)
    older = touch(0.5, state="INTENT", conversion_probability=1, conversion_value=7)
    (a,) = run([first, older, touch(1, name="b", state="CONSIDERING")]).abandonments
    assert (a["started_at"], a["touchpoint_count"], a["total_cost_micros"]) == (at(1), 3, 3_000_000)
    assert (a["state"], a["conversion_probability"], a["conversion_value_micros"]) == (
        "CONSIDERING",
        0.5,
        100_000_000,
    )


def test_registration_opens_and_overrides():
    """Inactivity counts from the registration; a second one changes only what it gives, also later on."""
    result = run([register(0, inactivity_hours=24), register(0.5, timeout_days=0.75)])
    assert ends(result) == [("TIMEOUT", 18 * HOUR)]
    assert (result.abandonments[0]["last_touchpoint_at"], said(result)) == (None, [("started", 1)])
    later = run([register(0, inactivity_hours=24), touch(5)])
    assert ends(later) == [("INACTIVITY", DAY), ("INACTIVITY", 6 * DAY)]
    again = run([touch(0), register(5)])
    assert said(again) == [("started", 1), ("started", 2)]


def test_a_deadline_moved_into_the_past():
    """It fires at the next punctuation, dated before a touchpoint that was counted."""
    result = run([touch(0), touch(2), register(2.5, timeout_days=1), touch(2.6, journey="k")])
    first = result.abandonments[0]
    assert (first["abandoned_at"], first["last_touchpoint_at"], first["touchpoint_count"]) == (at(1), at(2), 2)
    assert first["detected_at"] == at(2.6)


def test_user_is_of_the_record_that_opened():
    """A later touchpoint of the episode does not change it."""
    lines = [touch(0, user_id="first"), touch(1, user_id="second"), touch(9, user_id="third")]
    assert [a["user_id"] for a in run(lines).abandonments] == ["first", "third"]
