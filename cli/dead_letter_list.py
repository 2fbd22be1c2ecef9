"""Dead letters as a table, with counts by reason."""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from typing import Final, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from journeys.agents.inspect.dead_letters import FoundLetter, LetterFilter, Place, dead_letters, retries
from journeys.agents.settings.settings import Settings
from journeys.schemas.instants import format_instant

_REASON_CHARACTERS: Final = 100
# What differs from record to record within one reason: values in quotes, numbers, instants.
_PARTICULAR: Final = re.compile(r"'[^']*'|\"[^\"]*\"|(?<![\w-])\d[\d.:TZ-]*")
_VALUE: Final = re.compile(r": .* is not allowed; expected ", re.DOTALL)


class DeadLetterList:
    """What a filter means: counts of all of it, and the latest `limit` letters of each partition."""

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
        meant: list[FoundLetter] = []
        async for found in dead_letters(settings, wanted):
            kinds[found.origin] = kind_of(found.letter.reason)
            meant.append(found.bare())
            self._latest[found.origin.partition].append(found)
        self.count = len(meant)
        self.by_reason = Counter(kinds.values())
        self._dead = set(kinds)
        self.retries = await retries(settings, meant)
        self.retried_by_reason = Counter(kinds[origin] for origin in self.retries)

    def show(self, console: Console) -> None:
        """Print the letters and the counts."""
        if not self.count:
            console.print("no dead letters")
            return
        letters = Table(title="dead letters", title_justify="left", show_edge=False)
        for heading in ("record", "appended at", "bytes", "reason", "retried as"):
            justify: Literal["left", "right"] = "right" if heading == "bytes" else "left"
            letters.add_column(heading, justify=justify, overflow="fold", no_wrap=heading != "reason")
        for partition in sorted(self._latest):
            for found in self._latest[partition]:
                letters.add_row(
                    str(found.origin),
                    format_instant(found.since)[:19] + "Z",
                    f"{found.letter.value_size:,}",
                    escape(shortened(found.letter.reason)),
                    self._retried(found.origin),
                )
        console.print(letters)
        counts = Table(title="by reason", title_justify="left", show_edge=False)
        for heading in ("reason", "count", "retried"):
            counts.add_column(heading, justify="left" if heading == "reason" else "right", overflow="fold")
        for kind, count in self.by_reason.most_common():
            counts.add_row(escape(kind), f"{count:,}", f"{self.retried_by_reason[kind]:,}")
        counts.add_section()
        counts.add_row("all", f"{self.count:,}", f"{len(self.retries):,}")
        console.print("")
        console.print(counts)

    def _retried(self, origin: Place) -> str:
        again = self.retries.get(origin, ())
        return "\n".join(f"{place} (dead again)" if place in self._dead else str(place) for place in again)


def kind_of(reason: str) -> str:
    """Reason without what is particular to one record: field and what would be right."""
    return shortened(_PARTICULAR.sub("...", _VALUE.sub(": expected ", reason, count=1)))


def shortened(text: str) -> str:
    """Text of at most 100 characters, with nothing in it that moves a terminal's cursor."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= _REASON_CHARACTERS else shown[: _REASON_CHARACTERS - 3] + "..."
