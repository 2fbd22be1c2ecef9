"""Policies that come in mid-log, in the naive model.

Small logs whose outcome is worked out by hand from docs/rule.md and decision 0020.
"""

from __future__ import annotations

from .line import DAY
from .written import T0, at, ends, said, tick, touch
from .written import run_out as run


def change(version, **differing):
    """A change of the policy."""
    return {"kind": "policy", "policy": {"version": version, **differing}, "occurred_at": T0}


def test_an_episode_keeps_the_policy_that_it_began_under():
    """Under another policy of 24 hours the open journey keeps its 72, and returns under the new one."""
    day = change("day", inactivity_ms=DAY)
    result = run([touch(0), day, touch(0, journey="k"), tick(2), tick(3, 60_000), touch(4), tick(6)])
    found = [(a["journey_id"], a["abandoned_at"] - T0, a["policy_version"]) for a in result.abandonments]
    assert found == [("k", DAY, "day"), ("j", 3 * DAY, "default-1"), ("j", 5 * DAY, "day")]
    assert result.counts == {"applied": 3, "late": 0, "duplicate": 0, "refused": 0, "dead": 0}


def test_a_policy_may_come_back():
    """The one in force is the last that came, also where it was there before."""
    lines = [change("day", inactivity_ms=DAY), change("default-1"), touch(0), tick(9)]
    assert ends(run(lines)) == [("INACTIVITY", 3 * DAY)]


def test_a_policy_that_is_given_is_in_force_throughout():
    """Whatever the log says: so a replay under another policy works."""
    (a,) = run([change("day", inactivity_ms=DAY), touch(0), tick(9)], policy={"version": "given"}).abandonments
    assert (a["policy_version"], a["abandoned_at"]) == ("given", at(3))


def test_a_journey_is_remembered_by_the_policy_of_its_last_episode():
    """Ended on day 3 under 30 days it is known on day 10, under 4 days it is not, whatever is in force by then."""
    short = change("short", cleanup_ms=4 * DAY)
    assert said(run([touch(0), tick(4), short, touch(10)])) == [("started", 1), ("returned", 4)]
    assert said(run([short, touch(0), tick(4), change("default-1"), touch(10)])) == [("started", 2), ("started", 5)]


def test_memory_is_as_short_as_it_ever_was():
    """After a policy of 4 days an unknown journey of 4 days ago opens nothing, also under 30 days; a newer one does."""
    short = change("short", cleanup_ms=4 * DAY)
    result = run([short, change("default-1"), tick(20), touch(16), touch(16, 1, journey="k")])
    assert said(result) == [("late_touchpoint", 4), ("started", 5)]
    assert said(run([tick(20), touch(16)])) == [("started", 2)]
