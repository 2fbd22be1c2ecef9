"""The load generator: same lines for a seed, in order of time, with the shares that were asked for."""

import hashlib
import json
from collections import Counter
from itertools import islice, pairwise

import pytest

from journeys.agents.demo.load_generator import BEGIN_AT_MS, Shares, generate
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.lines import parse_line
from journeys.schemas.money import dollars_to_micros
from journeys.schemas.records import STATES

ORDERLY = Shares(duplicates=0, late=0, out_of_order=0)
REQUIRED = {
    "kind",
    "journey_id",
    "user_id",
    "occurred_at",
    "touchpoint_id",
    "channel",
    "event_type",
    "cost",
}


@pytest.fixture(scope="module")
def lines():
    """A load with the default shares."""
    return list(generate(journeys=2_000, seed=5))


def test_same_seed_same_bytes_on_any_machine():
    """The digest was taken once: another Python or processor must come to the same."""
    text = "\n".join(json.dumps(line, sort_keys=True) for line in generate(journeys=200, seed=7))
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "9aeba5d0c95fb93213cf7ebb1c8006a8fb20c4815df8560faebed23813661548"
    )


def test_another_seed_other_journeys():
    """Two loads can go into one topic: they share no id."""
    one, two = (list(generate(journeys=50, seed=seed)) for seed in (1, 2))
    assert not {line["journey_id"] for line in one} & {line["journey_id"] for line in two}
    assert not {line["touchpoint_id"] for line in one} & {line["touchpoint_id"] for line in two}


@pytest.mark.parametrize(("journeys", "mean"), [(1, 1), (1, 10), (2, 3), (101, 10), (400, 7)])
def test_exact_number_of_touchpoints(journeys, mean):
    """So many journeys, and so many distinct touchpoints for each on average, to the last one."""
    told = list(generate(journeys, 3, touchpoints_per_journey=mean))
    assert len({line["journey_id"] for line in told}) == journeys
    assert len({line["touchpoint_id"] for line in told}) == journeys * mean
    assert max(Counter(line["journey_id"] for line in told).values()) <= 2 * (2 * mean - 1)


def test_orderly_without_shares():
    """With every share at zero, time never goes back and nothing comes twice."""
    told = list(generate(journeys=500, seed=5, shares=ORDERLY))
    assert all(a["occurred_at"] <= b["occurred_at"] for a, b in pairwise(told))
    assert len({line["touchpoint_id"] for line in told}) == len(told) == 5_000


def test_journeys_begin_within_the_span():
    """First touchpoints lie in [begin, begin + span)."""
    firsts = {}
    for line in generate(journeys=500, seed=5, begin_at_ms=BEGIN_AT_MS + 77, span_days=3, shares=ORDERLY):
        firsts.setdefault(line["journey_id"], line["occurred_at"])
    assert min(firsts.values()) >= BEGIN_AT_MS + 77
    assert BEGIN_AT_MS + 2 * DAY_MS < max(firsts.values()) < BEGIN_AT_MS + 77 + 3 * DAY_MS


def test_lines_are_of_the_input_format(lines):
    """Required fields, known states, costs of at most 4 decimals, probabilities and propensities in 0..1."""
    optional = {"state", "conversion_probability", "conversion_value", "action_id", "policy_version"}
    for line in lines:
        assert line.keys() >= REQUIRED
        assert line.keys() <= REQUIRED | optional | {"propensity"}
        assert parse_line(line).touchpoint_id == line["touchpoint_id"]
        assert line.get("state", "AWARE") in STATES
        assert dollars_to_micros(line["cost"], "cost") % 100 == 0
        assert dollars_to_micros(line.get("conversion_value", "0"), "conversion_value") >= 0
        assert 0 <= line.get("conversion_probability", 0) <= 1
        assert 0 < line.get("propensity", 1) <= 1
        assert ("action_id" in line) == ("policy_version" in line) == ("propensity" in line)


def test_states_go_up_and_sometimes_back(lines):
    """Journeys drift upward, some step back, about a tenth converts."""
    last = {}
    steps = Counter()
    for line in lines:
        if "state" in line:
            level = STATES.index(line["state"])
            steps[(level > last.get(line["journey_id"], level)) - (level < last.get(line["journey_id"], level))] += 1
            last[line["journey_id"]] = level
    assert steps[1] > 2 * steps[-1] > 0
    converted = {line["journey_id"] for line in lines if line.get("state") == "CONVERTED"}
    assert 0.08 < len(converted) / 2_000 < 0.16


def test_ends_of_every_kind_follow_from_the_gaps():
    """Some journeys last beyond 14 days without a gap of 72 hours, some pause for longer and go on."""
    times = {}
    for line in generate(journeys=1_000, seed=5, shares=ORDERLY):
        times.setdefault(line["journey_id"], []).append(line["occurred_at"])
    gaps = {key: max((b - a for a, b in pairwise(at)), default=0) for key, at in times.items()}
    lasting = [key for key, at in times.items() if at[-1] - at[0] > 14 * DAY_MS and gaps[key] < 72 * HOUR_MS]
    paused = [key for key, gap in gaps.items() if gap > 72 * HOUR_MS]
    assert len(lasting) > 50
    assert len(paused) > 50


def test_shares_are_kept(lines):
    """Duplicates equal their first; late and out-of-order touchpoints are behind by what is said."""
    seen = {}
    behind = Counter()
    greatest = 0
    for line in lines:
        first = seen.setdefault(line["touchpoint_id"], line)
        if first is not line:
            assert first == line
            behind["duplicate"] += 1
        elif line["occurred_at"] < greatest:
            behind["late" if greatest - line["occurred_at"] > 3 * DAY_MS else "out of order"] += 1
        greatest = max(greatest, line["occurred_at"])
    assert behind["duplicate"] == pytest.approx(200, rel=0.3)
    assert behind["late"] == pytest.approx(100, rel=0.3)
    assert behind["out of order"] == pytest.approx(200, rel=0.3)


def test_begins_without_making_all():
    """The first lines of ten million journeys come at once: nothing is sorted beforehand."""
    first = list(islice(generate(journeys=10_000_000, seed=1), 100))
    assert len(first) == 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"journeys": 0}, "journeys: 0 is not allowed"),
        ({"journeys": 1, "span_days": 0}, "span_days: 0 is not allowed"),
        ({"journeys": 1, "touchpoints_per_journey": -1}, "touchpoints_per_journey: -1 is not allowed"),
        ({"journeys": 1, "shares": Shares(late=-0.1)}, "shares: "),
        ({"journeys": 1, "shares": Shares(0.5, 0.5, 0.5)}, "shares: "),
    ],
)
def test_wrong_arguments_are_told_at_the_call(wrong, message):
    """Not at the first line: a command must fail before it opens its output."""
    with pytest.raises(ValueError, match=message):
        generate(seed=1, **wrong)
