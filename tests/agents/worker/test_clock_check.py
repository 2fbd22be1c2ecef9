"""The clock check: a worker whose clock differs from the append times of its own punctuations ends."""

from types import SimpleNamespace

import pytest

from journeys.agents.worker.guards import clock_check
from journeys.agents.worker.guards.clock_check import ClockCheck, Reading, least_difference
from journeys.agents.worker.ports.worker_exit import WorkerExit

AT = 1_760_000_000_000
SINCE = 1_000.0
DAY = 86_400_000


class EndedError(Exception):
    """Stands for the end of the process."""


def acknowledged(append_time, offset=17, timestamp_type=1):
    """What aiokafka gives for a punctuation that a broker appended."""
    return SimpleNamespace(topic="journey-events", offset=offset, timestamp=append_time, timestamp_type=timestamp_type)


@pytest.fixture
def check(monkeypatch):
    """Check a punctuation of AT whose acknowledgement comes `waited` seconds later; gives the difference in ms."""

    def end(code: WorkerExit, why: str) -> None:
        raise EndedError(code, why)

    monkeypatch.setattr(clock_check, "end_now", end)

    def checked(answer, waited=0.0):
        monkeypatch.setattr(clock_check, "monotonic", lambda: SINCE + waited)
        clocks = ClockCheck()
        clocks.check(3, Reading(AT, SINCE), answer)
        return clocks.differences_ms.get(3)

    return checked


@pytest.mark.parametrize(
    ("difference_ms", "side"),
    [(30_001, "ahead of"), (3_600_000, "ahead of"), (4 * DAY, "ahead of"), (-30_001, "behind"), (-DAY, "behind")],
)
def test_more_than_30_seconds_either_way_end_the_worker(check, difference_ms, side):
    """With a code of its own, by which a supervisor starts it again, and one line that says what to do."""
    with pytest.raises(EndedError) as ended:
        check(acknowledged(AT - difference_ms))
    code, why = ended.value.args
    assert code == WorkerExit.CLOCK >= 70
    assert f"{abs(difference_ms) / 1000:.0f} s {side} the broker's (append time in journey-events[3])" in why
    assert "NTP" in why
    assert "\n" not in why


@pytest.mark.parametrize("difference_ms", [-30_000, -1, 0, 1, 30_000])
def test_30_seconds_are_a_difference_that_is_told(check, difference_ms):
    """With its sign: above 0 this machine is ahead."""
    assert check(acknowledged(AT - difference_ms)) == difference_ms


@pytest.mark.parametrize("appended_after_seconds", [0, 1, 59, 120])
def test_a_slow_broker_is_no_difference(check, appended_after_seconds):
    """The record may have been appended at any time until it was acknowledged."""
    assert check(acknowledged(AT + appended_after_seconds * 1_000), waited=120.0) == 0


def test_only_what_waiting_does_not_explain_counts(check):
    """A difference of two minutes of which the broker took one and a half is one of thirty seconds."""
    assert check(acknowledged(AT + 120_000), waited=90.0) == -30_000
    with pytest.raises(EndedError, match="31 s behind"):
        check(acknowledged(AT + 121_000), waited=90.0)
    with pytest.raises(EndedError, match="45 s ahead of"):
        check(acknowledged(AT - 45_000), waited=90.0)


def test_an_answer_without_a_time_says_nothing(check):
    """Of a repeated write the broker may know no more than that it has it."""
    assert check(acknowledged(-1, offset=-1, timestamp_type=0)) is None


def test_a_topic_that_lost_its_append_times_ends_the_worker(check):
    """All punctuations are dead letters then: time stands still, and a restart checks the topics."""
    with pytest.raises(EndedError, match=r"no longer has message\.timestamp\.type=LogAppendTime") as ended:
        check(acknowledged(AT, timestamp_type=0))
    assert ended.value.args[0] == WorkerExit.SETUP


@pytest.mark.parametrize(
    ("earliest", "latest", "least"), [(5, 9, 5), (-9, -5, -5), (-5, 9, 0), (0, 0, 0), (0, 7, 0), (-7, 0, 0)]
)
def test_the_least_difference_lies_between_both(earliest, latest, least):
    """Nearest to 0."""
    assert least_difference(earliest, latest) == least
