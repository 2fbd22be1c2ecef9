"""A naive datetime is local time, in whatever zone the trainer runs."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from training_orchestrator.api.local_time import datetime_of, instant_of


@pytest.fixture
def new_york(monkeypatch):
    """Run in New York."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize(
    ("moment", "utc"),
    [
        (datetime(2026, 1, 15, 12), datetime(2026, 1, 15, 17, tzinfo=UTC)),  # noqa: DTZ001  (naive is the point)
        (datetime(2026, 7, 15, 12), datetime(2026, 7, 15, 16, tzinfo=UTC)),  # noqa: DTZ001
        # The hour that comes twice: fold says which.
        (datetime(2026, 11, 1, 1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2026, 11, 1, 1, 30, fold=1), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2026, 1, 15, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 1, 15, 10, tzinfo=UTC)),
    ],
)
def test_a_naive_datetime_is_local_and_an_aware_one_is_what_it_says(moment, utc):
    """As Python's own astimezone takes it."""
    assert datetime_of(instant_of(moment)) == utc


def test_finer_than_a_millisecond_is_floored():
    """Before 1970, too, it is the earlier millisecond."""
    assert instant_of(datetime(1970, 1, 1, 0, 0, 0, 1999, tzinfo=UTC)) == 1
    assert instant_of(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1
