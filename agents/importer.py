"""Imports history: recorded lines with their own punctuations, so that event time runs as fast as it can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from agents.line_files import BadLine
from agents.operation_error import OperationError
from agents.settings import Settings
from schemas.codec import Codec
from schemas.instants import HOUR_MS
from schemas.records import InputRecord

KEPT_BAD_LINES: Final = 1_000


class TopicIsLiveError(OperationError):
    """The topic keeps live time, and history has its own."""


class TopicNotEmptyError(OperationError):
    """The topic holds journeys but no punctuation: nobody can say whose time they keep."""


@dataclass(slots=True)
class ImportReport:
    """What an import wrote. Instants are epoch milliseconds."""

    records: int = 0
    """Records of journeys."""
    punctuations: int = 0
    """Punctuations, each written to every partition and counted once."""
    bad_line_count: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    """The first KEPT_BAD_LINES of them."""
    first_at: int | None = None
    """Occurred_at of the first record."""
    greatest_at: int | None = None
    clock: int | None = None
    """Greatest punctuation written."""
    ended_by_until: bool = False


async def import_history(
    settings: Settings,
    lines: Iterable[tuple[int, InputRecord] | BadLine],
    *,
    holds_punctuations: bool = False,
    punctuate_every_ms: int = HOUR_MS,
    until: int | None = None,
    allow_unpunctuated: bool = False,
    progress: Callable[[ImportReport], None] | None = None,
    codec: Codec | None = None,
) -> ImportReport:
    """Write `lines` (as LineFile.records gives them) to the input topic in their order, with simulated time.

    Without punctuations of its own, history gets one in every partition before each record that takes the greatest
    occurred_at `punctuate_every_ms` or more beyond the last one, at that record's time, and one at the end at `until`
    (ms; default: 91 days after the greatest). The first record that occurred after `until` ends the reading.
    With `holds_punctuations` the lines' own are written to every partition where they stand, and no others.

    Raises TopicIsLiveError; TopicNotEmptyError unless `allow_unpunctuated`; UnknownTopicError, RecordsNotSentError,
    KafkaUnreachableError. `progress` gets the same report again and again, at the end once more.
    """
    raise NotImplementedError
