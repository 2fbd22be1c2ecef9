"""Backpressure: where Kafka takes nothing, a worker waits, reads no more than it can hold, and goes on by itself."""

import asyncio
import os

import pytest

from tests.chaos.outage import Outage
from tests.fixtures.fresh_kafka import bare

pytestmark = [pytest.mark.broker, pytest.mark.slow]

LONG = bool(os.environ.get("JOURNEYS_TEST_LONG"))
SECONDS = 60 if LONG else 7  # longer than the session
# A worker that read all of it would hold several times as much.
WAITING_MB = 400 if LONG else 150
BOUND_MB = 110


def run(settings, kafka, folder, kind):
    """Run one outage; all that was promised for every kind is checked."""
    figures = asyncio.run(Outage(folder, kafka, settings).run(kind, SECONDS, WAITING_MB))
    assert (figures.missing, figures.extra, figures.different) == (0, 0, 0), figures
    assert figures.rss_during_mb - figures.rss_before_mb < BOUND_MB, figures
    return figures


def test_without_outputs_nothing_is_applied_and_memory_is_bounded(cluster, tmp_path):
    """The input can be read all the while, and more of it waits than the worker may take into its memory."""
    figures = run(cluster.settings(data_dir=tmp_path / "data"), cluster, tmp_path, "outputs refused")
    assert figures.applied_during == 0
    assert figures.waiting_mb > BOUND_MB


@pytest.mark.parametrize("kind", ["broker frozen", *(["broker stopped"] if LONG else [])])
def test_a_broker_that_is_away_is_waited_for(broker, kafka, tmp_path, kind):
    """Longer than the session, under load: the same process goes on when it is back."""
    figures = run(bare(broker, data_dir=tmp_path / "data"), kafka, tmp_path, kind)
    assert figures.input_records > 1_000
