"""A long restore says how far it is, now and then; a short one says nothing before its end."""

import logging

import pytest

from journeys.agents.worker.restore import restore_progress
from journeys.agents.worker.restore.restore_progress import RestoreProgress


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Give the clock that the progress reads, to be set by hand."""
    at = [100.0]
    monkeypatch.setattr(restore_progress, "monotonic", lambda: at[0])
    return at


def test_a_line_every_few_seconds(clock, caplog):
    """Records read of records in all, journeys made, records a second since the beginning."""
    progress = RestoreProgress()
    with caplog.at_level(logging.INFO, "journeys.store"):
        progress.begin()
        for second in range(1, 11):
            clock[0] = 100.0 + second
            progress.begin()  # of another partition, of the same restore
            progress.report(second * 1000, 50_000 - second * 1000)
        progress.report(50_000, 0, 7)
        clock[0] = 120.0
        progress.report(50_000, 0, 9)
    assert caplog.messages == [
        "restoring: 3000 of 50000 changelog records read, 0 journeys made, 1000 records a second",
        "restoring: 6000 of 50000 changelog records read, 0 journeys made, 1000 records a second",
        "restoring: 9000 of 50000 changelog records read, 0 journeys made, 1000 records a second",
        "restoring: 50000 of 50000 changelog records read, 9 journeys made, 2500 records a second",
    ]
    assert progress.end() == 20.0


def test_a_short_restore_is_silent(clock, caplog):
    """And the next one takes its own time."""
    progress = RestoreProgress()
    with caplog.at_level(logging.INFO, "journeys.store"):
        progress.report(5, 0)
        progress.begin()
        clock[0] = 102.0
        progress.report(5, 0)
        assert progress.end() == 2.0
        assert progress.end() == 0.0
        progress.begin()
        clock[0] = 103.5
        progress.report(5, 0)
    assert caplog.messages == []
    assert progress.end() == 1.5
