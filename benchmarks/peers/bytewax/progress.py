"""When the work of the Bytewax peer began and ended, for whoever measures from outside."""

from __future__ import annotations

import json
from pathlib import Path
from time import time

_MS = 1_000


class Progress:
    """Counts touchpoints as they are processed; writes begin and end when all `wanted` are."""

    def __init__(self, wanted: int, file: Path) -> None:
        self._wanted = wanted
        self._file = file
        self._processed = 0
        self._begins_at = 0.0

    def begin(self) -> None:
        """A batch is about to be processed."""
        if not self._processed:
            self._begins_at = time()

    def add(self, count: int) -> None:
        """So many more are processed."""
        self._processed += count
        if self._processed == self._wanted:
            said = {
                "begins_at_ms": int(self._begins_at * _MS),
                "ends_at_ms": int(time() * _MS),
                "processed": self._processed,
            }
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(said), "utf-8")
            part.replace(self._file)  # whoever sees the file sees all of it
