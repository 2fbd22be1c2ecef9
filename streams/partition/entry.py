"""Entry: one record of the log as the processor takes it."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import InputRecord, Mark


class Entry(NamedTuple):
    """One record of the log as the processor takes it: decoded, or the error that it deserves.

    `append_time` is the broker's (ms), None in files. `value` is kept for the dead letter.
    """

    offset: int
    key: bytes | None
    append_time: int | None
    record: InputRecord | Mark | InvalidRecordError
    value: bytes | None = None


EntryFields: TypeAlias = tuple[int, bytes | None, int | None, InputRecord | Mark | InvalidRecordError, bytes | None]
"""An entry as a plain tuple: batches of the live path are made of these, for the time that they save."""
