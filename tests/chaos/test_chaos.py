"""Chaos in its short form, and that its schedule and its figures are what they are said to be."""

import asyncio

import pytest

from tests.chaos.run import Chaos
from tests.chaos.schedule import BROKER, GUEST, LONG, RESIDENTS, SHORT, make_schedule
from tests.chaos.traces import Progress, seconds_until_back, stalled_shares

KINDS = {"kill", "freeze", "thaw", "join", "leave", "broker crash", "broker back"}


def test_a_seed_gives_one_schedule():
    """The same blows at the same instants for the same seed, others for another one."""
    assert make_schedule(LONG, 7) == make_schedule(LONG, 7)
    assert make_schedule(LONG, 7) != make_schedule(LONG, 8)


@pytest.mark.parametrize("seed", range(20))
def test_the_long_form_strikes_as_often_as_it_must_and_only_whom_it_can(seed):
    """At least 50 kills, 10 joins and leaves, 3 broker crashes, one outage; nobody absent or frozen is struck."""
    schedule = make_schedule(LONG, seed)
    kinds = [blow.kind for blow in schedule.blows]
    assert kinds.count("kill") >= 50
    assert kinds.count("join") + kinds.count("leave") >= 10
    assert (kinds.count("broker crash"), kinds.count("broker outage")) == (3, 1)
    present, frozen, broker_runs, before = set(RESIDENTS), set(), True, 0.0
    for at, kind, target in schedule.blows:
        assert at >= before, "blows are in order"
        before = at
        if kind == "join":
            assert target == GUEST
            present.add(target)
        elif kind == "broker back":
            assert not broker_runs
            broker_runs = True
        elif target == BROKER:
            assert broker_runs
            broker_runs = False
        elif kind == "thaw":
            frozen.remove(target)
        else:
            assert target in present - frozen
            frozen |= {target} if kind == "freeze" else set()
            present -= {target} if kind == "leave" else set()
    assert broker_runs
    assert not frozen
    assert present == set(RESIDENTS)


PROGRESS = {
    0: [Progress(100.0, 1), Progress(100.5, 2), Progress(104.5, 3), Progress(109.6, 4)],
    1: [Progress(100.2 + tenth / 2, tenth) for tenth in range(20)],
}


def test_a_killed_worker_is_back_when_the_last_of_its_partitions_moves():
    """From the kill to the first move behind it, of the slowest partition; never, where there is none."""
    assert seconds_until_back(PROGRESS, 100.6, [0]) == pytest.approx(3.9)
    assert seconds_until_back(PROGRESS, 100.6, [1]) == pytest.approx(0.1)
    assert seconds_until_back(PROGRESS, 100.6, [0, 1]) == pytest.approx(3.9)
    assert seconds_until_back(PROGRESS, 109.7, [0]) == float("inf")


def test_the_stalled_share_counts_pauses_longer_than_a_second_whole():
    """Those at the ends of the span too."""
    shares = stalled_shares(PROGRESS, 100.0, 110.0)
    assert shares[0] == pytest.approx((4.0 + 5.1) / 10)
    assert shares[1] == 0
    assert stalled_shares({0: []}, 100.0, 110.0) == {0: 1.0}


@pytest.mark.broker
@pytest.mark.slow
def test_chaos_leaves_no_trace_in_the_outputs(own_folder):
    """Kills, a frozen worker, a broker that crashes, one that joins and leaves: live equals replay all the same."""
    said: list[str] = []
    figures = asyncio.run(Chaos(own_folder, SHORT, 1, said.append).run())
    assert (figures.missing, figures.extra, figures.different) == (0, 0, 0), "\n".join(said)
    assert figures.abandonments > 500
    assert figures.blows.keys() >= KINDS
    assert figures.exit_codes["SIGKILL"] == figures.blows["kill"]
    assert figures.exit_codes["75"] == figures.blows["freeze"], figures.last_words
    assert figures.rebalances >= 2
