"""Counts of the records that a watch has read so far, as tables."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Group

from journeys.cli.screen import new_table
from journeys.schemas.instants import format_instant
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.money import format_dollars
from journeys.schemas.records import REASONS, DeadLetter, JourneyAbandoned
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE

TOPICS: Final = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE, DEAD_LETTERS)
_LATEST: Final = 10
_REMEMBERED_IDS: Final = 100_000
_RATE_SECONDS: Final = 5.0


class Watched:
    """Counts of output records; penalties in micros."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.penalties: Counter[str] = Counter()
        self._latest: deque[JourneyAbandoned] = deque(maxlen=_LATEST)
        # At-least-once: a worker that starts again may publish its last batch twice.
        self._ids: dict[object, None] = {}
        self._recent: deque[tuple[float, Counter[str]]] = deque()

    def add(self, records: Iterable[Any]) -> None:
        """Count a batch of output records."""
        batch: Counter[str] = Counter()
        for record in records:
            if self._seen(record):
                continue
            name = _name(record)
            batch[name] += 1
            if isinstance(record, JourneyAbandoned):
                self.penalties[name] += record.total_penalty_micros
                self._latest.append(record)
        self.counts.update(batch)
        self._recent.append((time.monotonic(), batch))

    def table(self) -> Group:
        """Counts by kind with their rates over the last seconds, and the latest abandonments."""
        recent = self._in_rate_window()
        headings = ("count", "per second", "penalty in dollars")
        counts = new_table("", *headings, title="published since the watch began", right=headings)
        others = sorted(name for name in self.counts if name not in REASONS)
        for name in (*(reason for reason in REASONS if self.counts[reason]), *others):
            penalty = format_dollars(self.penalties[name]) if name in REASONS else ""
            counts.add_row(name, f"{self.counts[name]:,}", f"{recent[name] / _RATE_SECONDS:,.1f}", penalty)
        abandoned = sum(self.counts[reason] for reason in REASONS)
        rate = sum(recent[reason] for reason in REASONS) / _RATE_SECONDS
        counts.add_section()
        counts.add_row("abandonments", f"{abandoned:,}", f"{rate:,.1f}", format_dollars(self.penalties.total()))
        latest = new_table("abandoned at", "journey", "reason", "state", "penalty")
        for record in self._latest:
            latest.add_row(
                format_instant(record.abandoned_at),
                record.journey_id,
                record.abandonment_reason,
                record.state,
                format_dollars(record.total_penalty_micros),
            )
        return Group(counts, "", latest)

    def _in_rate_window(self) -> Counter[str]:
        oldest = time.monotonic() - _RATE_SECONDS
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()
        total: Counter[str] = Counter()
        for _, batch in self._recent:
            total.update(batch)
        return total

    def _seen(self, record: Any) -> bool:
        """Whether the record came before; only the latest ids are remembered."""
        if isinstance(record, InvalidRecordError):
            return False
        # The first field of every output is its id, except that a dead letter is identified by its record.
        key = record[:3] if isinstance(record, DeadLetter) else record[0]
        if key in self._ids:
            return True
        self._ids[key] = None
        if len(self._ids) > _REMEMBERED_IDS:
            del self._ids[next(iter(self._ids))]
        return False


def _name(record: Any) -> str:
    if isinstance(record, JourneyAbandoned):
        return record.abandonment_reason
    if isinstance(record, DeadLetter):
        return "dead letter"
    return "unreadable" if isinstance(record, InvalidRecordError) else str(record.kind)
