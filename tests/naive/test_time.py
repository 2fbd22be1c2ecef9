"""The naive model's clock, on small logs whose outcome is worked out by hand from docs/rule.md."""

from __future__ import annotations

from .line import DAY
from .written import at, ends, order, said, tick, touch
from .written import run_out as run


def test_firing_order_is_deadline_then_journey():
    """One punctuation abandons three journeys, two of them at one deadline."""
    lines = [touch(0, journey="z"), touch(0, 1, journey="b"), touch(0, 1, journey="a"), touch(9, journey="y")]
    assert [a["journey_id"] for a in run(lines).abandonments] == ["z", "a", "b", "y"]


def test_grace_delays_punctuations_and_not_records():
    """With own punctuations a journey is due 60 s after its deadline, or at once by its own next record."""
    due = at(3)
    result = run([touch(0), touch(0, journey="k"), tick(3, 59_999), touch(3), tick(3, 60_000)])
    assert [(a["journey_id"], a["abandoned_at"] - due, a["detected_at"] - due) for a in result.abandonments] == [
        ("j", 0, 59_999),
        ("k", 0, 60_000),
    ]


def test_without_a_clock_nothing_is_due():
    """Records before the first punctuation are detected when they occurred; the clock never goes back."""
    result = run([touch(0), touch(3), tick(1), tick(8), tick(2), order("command", "abandon", 2, journey="j")])
    assert [(a["abandoned_at"], a["detected_at"]) for a in result.abandonments] == [(at(3), at(3)), (at(6), at(8))]
    assert said(result)[-1] == ("refused", 6)


def test_reading_ends_at_until():
    """The first line whose punctuation would lie after it is not read; the clock still comes to it."""
    lines = [touch(0), touch(1), touch(5)]
    result = run(lines, until=at(5, -1))
    assert (ends(result), result.counts["applied"]) == ([("INACTIVITY", 4 * DAY)], 2)
    assert result.abandonments[0]["detected_at"] == at(5, -1)
    assert run(lines, until=at(4, -1)).abandonments == []
    own = run([touch(0), tick(4), touch(9), tick(20)], until=at(8))
    assert (ends(own), own.counts["applied"]) == ([("INACTIVITY", 3 * DAY)], 1)
