"""The clock of a partition: what may move it, what a correction takes back, and the version of the rule.

A worker with a wrong clock must not end journeys before their time. So a live punctuation counts only near its append
time, which is the broker's. `docs/rule.md` has it in words.
"""

from __future__ import annotations

from typing import Final

from journeys.schemas.expected_error import ExpectedError
from journeys.schemas.instants import EARLIEST, SECOND_MS, format_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import ClockCorrected, Punctuation
from journeys.streams.rule.row import Row

RULE_VERSION: Final = 1
"""The version of the rule that this release follows."""
CLOCK_GUARD_MS: Final = 60 * SECOND_MS
"""How far a live punctuation may lie ahead of its append time. A constant of the rule, in no policy."""


class UnknownRuleVersionError(ExpectedError):
    """The log is under a later version of the rule than this release knows; going on would be a guess."""


def require_counting(time_source: str | None, record: Punctuation | ClockCorrected, append_time: int | None) -> None:
    """Raise InvalidRecordError for a record that may not move the clock of a partition of that time source.

    A punctuation keeps the time source that the partition has, if it has one. Live time lies at most 60 s ahead of its
    append time; without an append time nobody can tell, so that is refused, too.
    """
    if isinstance(record, Punctuation):
        if time_source not in (None, record.time_source):
            raise InvalidRecordError("time_source", record.time_source, f"{time_source}, as this partition began")
        time_source = record.time_source
    if time_source == "simulated":
        return
    said = format_instant(record.at)
    if append_time is None:
        raise InvalidRecordError("at", said, "live time with an append time (message.timestamp.type=LogAppendTime)")
    latest = append_time + CLOCK_GUARD_MS
    if record.at > latest:
        raise InvalidRecordError("at", said, f"at most {format_instant(latest)}, 60 s after the append time")


def require_clock_is_past(clock: int | None, append_time: int | None) -> None:
    """Raise InvalidRecordError for a change to live time (appended at `append_time`) in front of which time has run.

    Live time would stand still until it has come to such a clock. The guard is that of a live punctuation.
    """
    if append_time is None:
        raise InvalidRecordError(
            "time_source", "live", "a record with an append time (message.timestamp.type=LogAppendTime)"
        )
    if clock is not None and clock > append_time + CLOCK_GUARD_MS:
        raise InvalidRecordError(
            "time_source", "live", f"a clock that is not ahead of the append time, and it is at {format_instant(clock)}"
        )


def version_in_force(known: int, read: int | None, place: str) -> int:
    """The greater of the version in force and the one that a record at `place` names (None is 1).

    Raises UnknownRuleVersionError for one that this release does not know.
    """
    version = max(known, read or 1)
    if version > RULE_VERSION:
        raise UnknownRuleVersionError(
            f"{place} is under version {version} of the rule, and this release knows {RULE_VERSION}: "
            "use the release that wrote it, or a later one"
        )
    return version


def correct(row: Row, at: int, *, was_forgotten: bool) -> bool:
    """Take back what a wrong clock has made of a row, now that the clock is `at`; gives whether the row changed.

    An end by deadline makes records late only up to `at`. A row that the old clock had forgotten stays forgotten, as it
    may be deleted already.
    """
    if was_forgotten:
        is_new = row.cleanup_at != EARLIEST
        row.cleanup_at = EARLIEST
        return is_new
    late_until, ended_at, started_at = row.late_until, row.previous_ended_at, row.previous_started_at
    # Exclusive is only an end by deadline; a correction before this one has left it lower still.
    if late_until is None or ended_at is None or started_at is None or late_until >= ended_at:
        return False
    # Episodes of a journey begin one after the other: their ids are made of that.
    until = max(at, started_at)
    if late_until <= until:
        return False
    row.late_until = until
    return True
