"""A cluster that loses a broker: chaos in its short form, and what must go on without the broker."""

import asyncio

import pytest

from tests.chaos.cluster import ClusterChaos, ClusterForm, Struck, silences
from tests.chaos.traces import Progress

SHORT = ClusterForm({"leader and worker killed": 1}, settle_seconds=2, touchpoints_per_second=300, inactivity_seconds=6)


@pytest.mark.broker
@pytest.mark.slow
def test_the_death_of_a_leader_loses_nothing_and_leaves_no_trace(cluster, tmp_path):
    """What was acknowledged is in the log, live equals replay, and the table equals it too."""
    said: list[str] = []
    figures = asyncio.run(ClusterChaos(tmp_path, cluster, SHORT, 1, said.append).run())
    assert figures.right, "\n".join([str(figures), *said])
    assert figures.touchpoints_acknowledged > 1_000
    assert figures.abandonments > 100
    assert figures.exit_codes["SIGKILL"] == 1


PROGRESS = {
    0: [Progress(float(second), second) for second in (90, 99, 103, 110, 120, 121)],
    1: [Progress(float(second), second) for second in (98, 100, 101, 118, 121)],
}


def test_a_silence_is_the_longest_pause_that_touches_the_blow():
    """Whole, also the part in front of the blow or behind its end; of the slowest partition, and of all together."""
    silence = silences([Struck("leader killed", [1], 100.0, 105.0, 112.0)], PROGRESS)["leader killed"]
    assert (silence["median"], silence["all_partitions_max"]) == (17.0, 8.0)


def test_a_partition_that_never_moves_again_is_silent_for_ever():
    """Rather than left out."""
    blow = Struck("leader killed", [1], 100.0, 105.0, 130.0)
    assert silences([blow], PROGRESS)["leader killed"]["max"] == float("inf")
