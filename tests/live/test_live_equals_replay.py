"""What workers publish, whatever happens to them in mid-stream, equals a replay of the input topic."""

import pytest

from tests.fixtures.fresh_kafka import emptied

from .history_import import HistoryImport
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_live_equals_replay_with_a_worker_that_joins_and_one_that_leaves(broker, workers):
    """4 partitions, 2 workers, over 100,000 touchpoints of 10,000 journeys; a third joins and the first leaves."""
    settings = emptied(broker)
    # Where the compiled engine is built, the Python rule hands its rows over to it here, and takes some of it.
    first, second = workers.start(settings, engine="reference"), workers.start(settings)
    for worker in (first, second):
        worker.wait_until_logged("restored: partitions [")
    with HistoryImport(settings, journeys=10_000) as history:
        history.wait_until(records=10_000)
        third = workers.start(settings)
        third.wait_until_logged("restored: partitions [")
        history.let_go_on()
        history.wait_until(records=70_000)
        first.stop()
    workers.wait_until_applied(settings)
    third.wait_until_logged("records so far: applied")

    report, published = verified(settings)
    assert history.records > 100_000
    assert report.counts.applied + report.counts.late + report.counts.duplicate == history.records
    assert report.abandonments.equal > 10_000
    assert published == {
        report.abandonments.topic: report.abandonments.equal,
        report.lifecycle.topic: report.lifecycle.equal,
        report.dead_letters.topic: 0,
    }, "a rebalance without a crash publishes nothing twice"


def test_live_equals_replay_with_a_worker_that_is_killed(broker, workers):
    """Kill -9 of one of two workers in mid-stream, and a new one in its place; what is published twice is counted."""
    settings = emptied(broker, session_timeout_seconds=3)
    first, second = workers.start(settings), workers.start(settings, engine="reference")
    for worker in (first, second):
        worker.wait_until_logged("restored: partitions [")
    with HistoryImport(settings, journeys=3_000) as history:
        history.wait_until(records=6_000)
        first.kill()
        third = workers.start(settings)
        third.wait_until_logged("restored: partitions [")
        history.let_go_on()
    workers.wait_until_applied(settings)

    report, published = verified(settings)
    assert history.records > 30_000
    assert report.counts.applied + report.counts.late + report.counts.duplicate == history.records
    assert published == {
        topic.topic: topic.equal + topic.duplicates
        for topic in (report.abandonments, report.lifecycle, report.dead_letters)
    }
