"""The demo's generated journeys: same lines for a seed, in order of arrival, and each story as it says."""

import json
from decimal import Decimal
from itertools import pairwise

import pytest

from journeys.agents.demo.made_journeys import SPAN_DAYS, arrivals, lines, merge
from journeys.schemas.instants import DAY_MS, HOUR_MS, parse_instant
from journeys.schemas.lines import parse_line
from journeys.schemas.money import dollars_to_micros
from journeys.schemas.records import COMMANDS, SIGNALS, STATES

BEGIN_AT_MS = 1_704_368_738_000  # the first event of the ecom file, 2024-01-04T11:45:38Z
DAY_SPREAD = {"timed-out": 14, "extended": 18, "extended-to-the-cap": 87}
COMMON = {"kind", "journey_id", "user_id", "occurred_at"}
FIELDS = {
    "touchpoint": {"touchpoint_id", "channel", "event_type", "state", "cost"},
    "registration": set(),
    "signal": {"signal", "command_id", "requested_by", "note"},
    "command": {"command", "command_id", "requested_by"},
}
OPTIONAL = {
    "touchpoint": {"conversion_probability", "conversion_value"},
    "registration": {"timeout_days", "inactivity_hours", "budget"},
    "signal": set(),
    "command": {"reason", "days", "note"},
}


@pytest.fixture(scope="module")
def told():
    """Ten journeys of each story."""
    return arrivals(seed=4, begin_at_ms=BEGIN_AT_MS, count=160)


@pytest.fixture(scope="module")
def journeys(told):
    """By story: the arrivals of each of its journeys."""
    by_id = {}
    for arrival in told:
        by_id.setdefault(arrival.line["journey_id"], []).append(arrival)
    by_story = {}
    for journey_id, its in by_id.items():
        by_story.setdefault(journey_id.removeprefix("made-").rpartition("-")[0], []).append(its)
    return by_story


def instants(its):
    """When the touchpoints of a journey occurred, each once, in the order in which they arrived."""
    return list({a.line["touchpoint_id"]: occurred(a) for a in its if "touchpoint_id" in a.line}.values())


def occurred(arrival):
    """Epoch milliseconds at which a line's record occurred."""
    return parse_instant(arrival.line["occurred_at"])


def widest_gap(times):
    """Milliseconds of the longest time without a touchpoint."""
    return max(b - a for a, b in pairwise(times))


def test_same_seed_same_bytes(told):
    """And another seed tells other times."""
    again = lines(4, BEGIN_AT_MS, 160)
    assert json.dumps(again) == json.dumps([arrival.line for arrival in told])
    assert json.dumps(again) != json.dumps(lines(5, BEGIN_AT_MS, 160))


def test_sorted_by_arrival_within_the_span(told):
    """Everything arrives in order and within SPAN_DAYS, nothing before it occurred."""
    assert all(a.at <= b.at for a, b in pairwise(told))
    assert told[0].at >= BEGIN_AT_MS
    assert told[-1].at < BEGIN_AT_MS + SPAN_DAYS * DAY_MS
    assert all(occurred(arrival) <= arrival.at for arrival in told)


def test_each_journey_is_labelled_and_each_story_told(journeys):
    """160 journeys are ten of each of the 16 stories, and their ids begin with made-."""
    assert len(journeys) == 16
    assert {len(of_story) for of_story in journeys.values()} == {10}
    for of_story in journeys.values():
        assert all(a.line["journey_id"].startswith("made-") for its in of_story for a in its)


def test_lines_are_of_the_input_format(told):
    """Each kind has its fields and no other, and the reader of lines takes every one."""
    for _, line in told:
        assert parse_line(line).journey_id == line["journey_id"]
        kind = line["kind"]
        assert line.keys() >= COMMON | FIELDS[kind]
        assert line.keys() <= COMMON | FIELDS[kind] | OPTIONAL[kind]
        assert line.get("state", "AWARE") in STATES
        assert line.get("signal", "fatigue") in SIGNALS
        assert line.get("command", "extend") in COMMANDS
        assert ("days" in line) == (line.get("command") == "extend")
        for money in line.keys() & {"cost", "budget", "conversion_value"}:
            assert dollars_to_micros(line[money], money) > 0


def test_only_repeats_share_an_id(told):
    """A touchpoint_id or command_id that comes twice comes with the same line."""
    first = {}
    repeats = 0
    for _, line in told:
        name = line.get("touchpoint_id") or line.get("command_id")
        if name:
            repeats += name in first
            assert first.setdefault(name, line) == line
    assert repeats == 10 * 6 + 10  # told-twice has six touchpoints, extended one command


@pytest.mark.parametrize("story", DAY_SPREAD)
def test_engaged_journeys_outlast_their_timeout(journeys, story):
    """Touchpoints at least every 2 days, for so long that only the timeout can end the episode."""
    for its in journeys[story]:
        times = instants(its)
        assert times[-1] - times[0] > DAY_SPREAD[story] * DAY_MS
        assert widest_gap(times) <= 48 * HOUR_MS


def test_extensions_come_before_the_deadline_that_they_move(journeys):
    """To the cap: 14 days and three times 30 more; the last ones are cut at 90."""
    for its in journeys["extended-to-the-cap"]:
        begin = its[0].at
        deadline = begin + 14 * DAY_MS
        for arrival in its:
            if arrival.line["kind"] == "command":
                assert arrival.at < deadline
                deadline += arrival.line["days"] * DAY_MS
        assert deadline - begin == 104 * DAY_MS
        assert instants(its)[-1] + 72 * HOUR_MS > begin + 90 * DAY_MS
    for its in journeys["extended"]:
        (deadline,) = {its[0].at + (14 + a.line["days"]) * DAY_MS for a in its if "days" in a.line}
        assert instants(its)[-1] < deadline < instants(its)[-1] + 72 * HOUR_MS


@pytest.mark.parametrize("story", ["silent", "told-twice"])
def test_silent_journeys_stop_before_the_timeout(journeys, story):
    """No gap of 72 hours within, and 72 hours after the last touchpoint the timeout is not due."""
    for its in journeys[story]:
        times = instants(its)
        assert max((b - a for a, b in pairwise(times)), default=0) < 72 * HOUR_MS
        assert times[-1] + 72 * HOUR_MS < times[0] + 14 * DAY_MS


@pytest.mark.parametrize(
    ("story", "said"),
    [
        ("lost-to-competitor", {"signal": "competitor_conversion"}),
        ("out-of-budget", {"signal": "budget_exhausted"}),
        ("fatigued", {"signal": "fatigue"}),
        ("by-hand", {"command": "abandon"}),
    ],
)
def test_what_ends_a_journey_meets_an_open_one(journeys, story, said):
    """The signal or command comes while no deadline has passed."""
    for its in journeys[story]:
        end = next(a for a in its if a.line["kind"] in {"signal", "command"})
        assert said.items() <= end.line.items()
        times = [*(at for at in instants(its) if at <= end.at), end.at]
        assert max((b - a for a, b in pairwise(times)), default=0) < 72 * HOUR_MS
        assert end.at - its[0].at < 14 * DAY_MS


def test_a_budget_is_exhausted_by_the_last_touchpoint(journeys):
    """Spend is below the registered budget until then, and no touchpoint follows."""
    for its in journeys["over-its-budget"]:
        budget = Decimal(its[0].line["budget"])
        costs = [Decimal(a.line["cost"]) for a in its if "cost" in a.line]
        assert sum(costs[:-1]) < budget <= sum(costs)
        assert widest_gap([its[0].at, *instants(its)]) < 72 * HOUR_MS


def test_overrides_decide_how_registered_journeys_end(journeys):
    """A 5-day timeout is outlived; 168 hours of patience outlive the 14 days; one is never touched."""
    for its in journeys["short-timeout"]:
        assert (its[0].line["timeout_days"], its[0].line["inactivity_hours"]) == (5, 24)
        assert widest_gap([its[0].at, *instants(its)]) < 24 * HOUR_MS
        assert instants(its)[-1] > its[0].at + 5 * DAY_MS
    for its in journeys["patient"]:
        assert its[0].line["inactivity_hours"] == 168
        assert 72 * HOUR_MS < widest_gap(instants(its)) < 168 * HOUR_MS
        assert instants(its)[-1] < its[0].at + 14 * DAY_MS < instants(its)[-1] + 168 * HOUR_MS
    for its in journeys["never-touched"]:
        assert [a.line["kind"] for a in its] == ["registration"]


@pytest.mark.parametrize("story", ["returned", "returned-and-converted"])
def test_returns_come_after_the_silence(journeys, story):
    """A gap of more than 72 hours splits the journey; one story converts behind it, within 30 days."""
    for its in journeys[story]:
        punctual = [a for a in its if occurred(a) == a.at]
        times = [occurred(a) for a in punctual]
        (back,) = (at for before, at in pairwise(times) if at - before > 72 * HOUR_MS)
        bought = [a for a in punctual if a.line["state"] == "CONVERTED"]
        assert len(bought) == (story == "returned-and-converted")
        for purchase in bought:
            assert back < purchase.at < times[0] + 30 * DAY_MS


def test_late_touchpoints_lie_behind_an_end(journeys):
    """Each arrives a day or more after it occurred, which was before its journey's first episode ended."""
    for story in ("by-hand", "converted", "returned"):
        for its in journeys[story]:
            (late,) = (a for a in its if occurred(a) < a.at)
            assert late is its[-1]
            assert late.at - occurred(late) > DAY_MS
            assert its[0].at < occurred(late) < first_end(its) < late.at


def first_end(its):
    """When a journey's first episode ends, by command, purchase or 72 hours of silence."""
    for arrival, following in pairwise(its):
        if arrival.line["kind"] == "command" or arrival.line.get("state") == "CONVERTED":
            return arrival.at
        if following.at - arrival.at > 72 * HOUR_MS:
            return arrival.at + 72 * HOUR_MS
    raise AssertionError("this journey does not end")


def test_merged_with_other_touchpoints_everything_is_there_in_order(told):
    """Two logs become one: nothing lost, both in their own order, a late line stays late."""
    others = [{"touchpoint_id": f"other-{n}", "occurred_at": BEGIN_AT_MS + n * 7 * HOUR_MS} for n in range(600)]
    merged = list(merge(told, others))
    assert [line for line in merged if "journey_id" in line] == [arrival.line for arrival in told]
    assert [line for line in merged if "journey_id" not in line] == others
    arrived_at = {id(arrival.line): arrival.at for arrival in told}
    order = [arrived_at.get(id(line), line["occurred_at"]) for line in merged]
    assert order == sorted(order)


def test_no_journeys_and_a_count_below_zero():
    """None is allowed, fewer are not."""
    assert lines(1, BEGIN_AT_MS, 0) == []
    with pytest.raises(ValueError, match="count: -1 is not allowed"):
        lines(1, BEGIN_AT_MS, -1)
