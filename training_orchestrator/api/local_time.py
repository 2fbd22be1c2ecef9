"""Datetimes at the door: a naive one is local time, as `astimezone()` takes it; inside there are milliseconds UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from journeys.schemas.invalid import InvalidRecordError
from training_orchestrator.api.configuration import ConfigurationError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def instant_of(moment: datetime, field: str = "moment") -> int:
    """Epoch milliseconds, floored. Naive: local time; in the hour that comes twice, `fold` says which is meant.

    Raises InvalidRecordError, naming the field, for what is no datetime, or none that has an instant in UTC.
    """
    try:
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except (AttributeError, OverflowError, ValueError):
        raise InvalidRecordError(field, moment, "a datetime; a naive one is local time") from None


def wanted_instant(moment: datetime | None, field: str) -> int | None:
    """The same of a setting, None where there is none; raises ConfigurationError."""
    try:
        return None if moment is None else instant_of(moment, field)
    except InvalidRecordError as error:
        raise ConfigurationError(str(error)) from None


def datetime_of(at: int) -> datetime:
    """Datetime in UTC of epoch milliseconds."""
    return _EPOCH + timedelta(milliseconds=at)
