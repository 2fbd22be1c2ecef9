"""Converts datetimes of the API: a naive one is local time, as for `astimezone()`; inside, time is milliseconds UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from journeys.schemas.invalid import InvalidRecordError
from training_orchestrator.api.configuration import ConfigurationError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def instant_of(moment: datetime, field: str = "moment") -> int:
    """Epoch milliseconds, floored. A naive datetime is local time; `fold` chooses in the hour that is repeated.

    Raises InvalidRecordError, naming the field, for anything but a datetime, and for one beyond the range of UTC.
    """
    try:
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except (AttributeError, OverflowError, ValueError):
        raise InvalidRecordError(field, moment, "a datetime; a naive one is local time") from None


def wanted_instant(moment: datetime | None, field: str) -> int | None:
    """`instant_of` for an optional setting; raises ConfigurationError."""
    try:
        return None if moment is None else instant_of(moment, field)
    except InvalidRecordError as error:
        raise ConfigurationError(str(error)) from None


def datetime_of(at: int) -> datetime:
    """Datetime in UTC of epoch milliseconds."""
    return _EPOCH + timedelta(milliseconds=at)
