"""Repeated log lines are told once in a while, and counted; other lines are left alone."""

import logging

import pytest

from journeys.agents.settings import repeated_lines
from journeys.agents.settings.repeated_lines import RepeatedLines


@pytest.fixture
def clock(monkeypatch):
    """Seconds on the clock of the filter, to be moved by hand."""
    now = [100.0]
    monkeypatch.setattr(repeated_lines, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def told():
    """Lines that got through, as loggers below one of this test's own write them."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.levelname} {record.getMessage()}")
    handler.addFilter(RepeatedLines("loud"))
    root = logging.getLogger()
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)


def test_the_same_kind_of_line_comes_once_in_ten_seconds(clock, told):
    """Whatever its arguments; the next one says how many there were between."""
    for port in range(500):
        logging.getLogger("loud.client").error("no answer from %s", port)
    clock[0] += 9.9
    logging.getLogger("loud.client").error("no answer from %s", 500)
    assert told == ["ERROR no answer from 0"]
    clock[0] += 0.1
    logging.getLogger("loud.client").error("no answer from %s", 501)
    logging.getLogger("loud.client").error("no answer from %s", 502)
    assert told[1:] == ["ERROR no answer from 501 (and 500 more like it)"]
    clock[0] += 10
    logging.getLogger("loud.client").error("no answer from %s", 503)
    assert told[2:] == ["ERROR no answer from 503 (and 1 more like it)"]


def test_other_lines_are_left_alone(clock, told):
    """Another text, level or logger is another kind; who is not called loud may say a thing as often as he likes."""
    for name in ("loud", "loud.client", "loudest", "journeys"):
        for _ in range(2):
            logging.getLogger(name).error("no answer")
    logging.getLogger("loud").warning("no answer")
    logging.getLogger("loud").error("an answer")
    assert told == [*["ERROR no answer"] * 6, "WARNING no answer", "ERROR an answer"]
