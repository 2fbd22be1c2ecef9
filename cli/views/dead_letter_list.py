"""Dead letters as a table, with counts by reason."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from typing import Any, Final

from journeys.agents.inspect.dead_letters import FoundLetter, LetterFilter, Place, dead_letters, retries
from journeys.agents.settings.settings import Settings
from journeys.cli.output import print_line
from journeys.cli.screen import Screen, new_table
from journeys.schemas.instants import format_instant

_REASON_CHARACTERS: Final = 100
# What differs from record to record within one reason: values in quotes, numbers, instants.
_PARTICULAR: Final = re.compile(r"'[^']*'|\"[^\"]*\"|(?<![\w-])\d[\d.:TZ-]*")
_VALUE: Final = re.compile(r": .* is not allowed; expected ", re.DOTALL)


class DeadLetterList:
    """The letters that match a filter: counts of all, and the latest `limit` of each partition."""

    def __init__(self, limit: int) -> None:
        self.count = 0
        self.by_reason: Counter[str] = Counter()
        self.retried_by_reason: Counter[str] = Counter()
        self.retries: dict[Place, list[Place]] = {}
        self._latest: defaultdict[int, deque[FoundLetter]] = defaultdict(lambda: deque(maxlen=limit))
        self._dead: set[Place] = set()

    async def read(self, settings: Settings, wanted: LetterFilter) -> None:
        """Read the topic, and the input for retries. Raises as `journeys.agents.inspect.dead_letters`."""
        kinds: dict[Place, str] = {}
        matching: list[FoundLetter] = []
        async for dead in dead_letters(settings, wanted):
            kinds[dead.origin] = kind_of(dead.letter.reason)
            matching.append(dead.bare())
            self._latest[dead.origin.partition].append(dead)
        self.count = len(matching)
        self.by_reason = Counter(kinds.values())
        self._dead = set(kinds)
        self.retries = await retries(settings, matching)
        self.retried_by_reason = Counter(kinds[origin] for origin in self.retries)

    def json(self) -> dict[str, Any]:
        """The letters and the counts for --json."""
        return {
            "dead_letters": [
                {
                    "record": str(dead.origin),
                    "appended_at": format_instant(dead.since),
                    "bytes": dead.letter.value_size,
                    "reason": dead.letter.reason,
                    "retries": [
                        {"record": str(place), "is_dead": place in self._dead}
                        for place in self.retries.get(dead.origin, ())
                    ],
                }
                for dead in self._listed()
            ],
            "by_reason": [
                {"reason": kind, "count": count, "retried": self.retried_by_reason[kind]}
                for kind, count in self.by_reason.most_common()
            ],
            "count": self.count,
            "retried": len(self.retries),
        }

    def print_tables(self) -> None:
        """Print the letters and the counts."""
        if not self.count:
            print_line("no dead letters")
            return
        screen = Screen()
        letters = new_table(
            *("record", "appended at", "bytes", "reason", "retried as"), title="dead letters", right=("bytes",)
        )
        for dead in self._listed():
            letters.add_row(
                str(dead.origin),
                format_instant(dead.since)[:19] + "Z",
                f"{dead.letter.value_size:,}",
                shortened(dead.letter.reason),
                self._retried(dead.origin),
            )
        screen.print(letters)
        counts = new_table("reason", "count", "retried", title="by reason", right=("count", "retried"))
        for kind, count in self.by_reason.most_common():
            counts.add_row(kind, f"{count:,}", f"{self.retried_by_reason[kind]:,}")
        counts.add_section()
        counts.add_row("all", f"{self.count:,}", f"{len(self.retries):,}")
        print_line()
        screen.print(counts)

    def _listed(self) -> list[FoundLetter]:
        return [dead for partition in sorted(self._latest) for dead in self._latest[partition]]

    def _retried(self, origin: Place) -> str:
        again = self.retries.get(origin, ())
        return ", ".join(f"{place} (dead again)" if place in self._dead else str(place) for place in again)


def kind_of(reason: str) -> str:
    """Reason without what is particular to one record: field and what would be right."""
    return shortened(_PARTICULAR.sub("...", _VALUE.sub(": expected ", reason, count=1)))


def shortened(text: str) -> str:
    """The text cut to 100 characters."""
    return text if len(text) <= _REASON_CHARACTERS else text[: _REASON_CHARACTERS - 3] + "..."
