"""Datetimes at the door: a naive one is local time, as `astimezone()` takes it; inside there are milliseconds UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def instant_of(moment: datetime) -> int:
    """Epoch milliseconds, floored. Naive: local time; in the hour that comes twice, `fold` says which is meant."""
    return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND


def datetime_of(at: int) -> datetime:
    """Datetime in UTC of epoch milliseconds."""
    return _EPOCH + timedelta(milliseconds=at)
