"""What the naive model knows of ended episodes.

Small logs whose outcome is worked out by hand from docs/rule.md.
"""

from __future__ import annotations

from .line import DAY
from .written import at, ends, order, register, said, tick, touch
from .written import run_out as run


def test_abandoning_twice_books_once():
    """The second command is refused, whether late or not, and repeats its command_id."""
    lines = [touch(0)]
    lines += [order("command", "abandon", day, reason="USER_FATIGUE", command_id=f"c{day}") for day in (1, 1.5)]
    lines.append(order("command", "abandon", 0.5, command_id="late"))
    result = run(lines)
    assert ends(result) == [("USER_FATIGUE", DAY)]
    assert said(result) == [("started", 1), ("refused", 3), ("refused", 4)]
    assert [entry["command_id"] for entry in result.lifecycle[1:]] == ["c1.5", "late"]
    assert [entry["started_at"] for entry in result.lifecycle[1:]] == [at(0), at(0)]


def test_conversion_ends_without_abandonment():
    """The next episode is just started; in the quiet period touchpoints are late."""
    lines = [touch(0), touch(1, state="CONVERTED"), touch(1, 1)]
    assert said(run(lines)) == [("started", 1), ("converted", 2), ("started", 3)]
    assert ends(run(lines)) == [("INACTIVITY", 4 * DAY + 1)]
    quiet = run(lines, policy={"conversion_quiet_period_ms": 1})
    assert said(quiet) == [("started", 1), ("converted", 2), ("late_touchpoint", 3)]
    assert quiet.lifecycle[2]["abandonment_id"] is None


def test_a_return_may_convert_at_once():
    """Return and conversion both name the abandonment; the return carries its penalty."""
    result = run([touch(0), touch(10, state="CONVERTED")])
    (a,) = result.abandonments
    assert said(result) == [("started", 1), ("returned", 2), ("converted", 2)]
    assert {entry["abandonment_id"] for entry in result.lifecycle[1:]} == {a["abandonment_id"]}
    assert result.lifecycle[1]["converts_at_once"] is True
    assert result.lifecycle[1]["total_penalty_micros"] == a["total_penalty_micros"]


def test_cleanup_after_30_days():
    """Ended on day 3: a millisecond before day 33 it returns, on day 33 it is unknown and starts."""
    assert said(run([touch(0), touch(33, -1)])) == [("started", 1), ("returned", 2)]
    assert said(run([touch(0), touch(33)])) == [("started", 1), ("started", 2)]


def test_an_unknown_journey_of_30_days_ago_opens_nothing():
    """By the clock of day 40 a touchpoint of day 10 is late without an episode, a registration refused."""
    result = run([touch(40), touch(10, journey="k"), register(10, journey="l"), touch(10, 1, journey="m")])
    assert said(result) == [("started", 1), ("late_touchpoint", 2), ("refused", 3), ("started", 4)]
    assert [entry["started_at"] for entry in result.lifecycle[1:3]] == [None, None]
    assert result.counts == {"applied": 2, "late": 1, "duplicate": 0, "refused": 1, "dead": 0}


def test_late_while_a_newer_episode_is_open():
    """A touchpoint before the end of an earlier episode changes nothing of the open one."""
    result = run([touch(0), touch(4), touch(3, -1, state="INTENT"), touch(3, name="b")])
    assert said(result) == [("started", 1), ("returned", 2), ("late_touchpoint", 3)]
    second = result.abandonments[1]
    assert (second["started_at"], second["touchpoint_count"], second["state"]) == (at(4), 2, "UNAWARE")


def test_duplicates_are_the_last_eight():
    """The id of the first of nine records is forgotten, that of the second is not; episodes do not matter."""
    nine = [touch(n / 24, name=f"t{n}") for n in range(9)]
    assert run([*nine, touch(1, name="t0")]).counts["duplicate"] == 0
    assert run([*nine, touch(1, name="t1")]).counts["duplicate"] == 1
    across = run([touch(0, name="a"), touch(5, name="b"), touch(6, name="a")])
    assert (across.counts["duplicate"], across.abandonments[1]["touchpoint_count"]) == (1, 1)
    apart = run([touch(0, name="a"), order("command", "extend", 1, days=1, command_id="a")])
    assert apart.counts["duplicate"] == 0
    assert run([touch(0, name="a"), touch(33, name="a")]).counts["duplicate"] == 0


def test_a_duplicate_fires_nothing():
    """With the clock behind, a duplicate after the deadline leaves the episode open."""
    result = run([tick(0), touch(0, name="a"), touch(5, name="a"), tick(3)])
    assert (result.counts["duplicate"], result.abandonments) == (1, [])


def test_what_ended_long_ago_by_the_clock_is_absent_at_once():
    """Cut short to day 1 by the clock of day 40, a journey counts as absent as soon as its record fires it."""
    lines = [register(0, inactivity_hours=2400, timeout_days=80), touch(30), tick(40)]
    result = run([*lines, register(31, timeout_days=1), touch(32)])
    assert ends(result) == [("TIMEOUT", DAY)]
    assert said(result) == [("started", 1), ("started", 5)]
