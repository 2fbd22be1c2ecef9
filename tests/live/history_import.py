"""An import of generated history that goes on while a test does things to its workers."""

from __future__ import annotations

import asyncio
from itertools import islice
from threading import Event, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from journeys.agents.demo.load_generator import generate
from journeys.agents.history.importer import ImportOptions, import_history
from journeys.agents.settings.settings import Settings
from journeys.schemas.instants import DAY_MS
from journeys.schemas.lines import parse_line

_SLICES = 6
_POLL_SECONDS = 0.02
_GIVE_UP_SECONDS = 120.0


class HistoryImport:
    """Imports journeys of 10 touchpoints each from a thread, in six slices; a context manager that ends with it.

    Behind the third it waits until `let_go_on` is called, so that what a test does in between falls into
    the middle.
    """

    def __init__(self, settings: Settings, journeys: int) -> None:
        self.records = 0
        """Records in the log so far, punctuations apart."""
        self._settings = settings
        self._journeys = journeys
        self._may_go_on = Event()
        self._is_given_up = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="import")

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the end, or stop at the next slice where the test has failed."""
        self._is_given_up = kind is not None
        self._may_go_on.set()
        self._thread.join(_GIVE_UP_SECONDS)
        if kind is None:
            assert not self._thread.is_alive(), f"the import stands still behind {self.records} records"
            self._require_no_error()

    def wait_until(self, records: int) -> None:
        """Wait until so many records are in the log."""
        deadline = monotonic() + _GIVE_UP_SECONDS
        while self.records < records:
            self._require_no_error()
            assert monotonic() < deadline, f"the import stands still behind {self.records} records"
            sleep(_POLL_SECONDS)

    def let_go_on(self) -> None:
        """Let the second half follow the first."""
        self._may_go_on.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._write())
        except BaseException as error:  # the test's own thread tells it
            self._error = error

    async def _write(self) -> None:
        lines = enumerate(map(parse_line, generate(self._journeys, seed=3)))
        for number in range(1, _SLICES + 1):
            is_last = number == _SLICES
            # The last takes the rest: duplicates come on top of 10 for each journey.
            numbered = list(lines if is_last else islice(lines, 10 * self._journeys // _SLICES))
            greatest = max(record.occurred_at for _, record in numbered)
            # A slice may have records behind those of the one before it.
            options = ImportOptions(until=greatest + 91 * DAY_MS if is_last else greatest, behind="take")
            report = await import_history(self._settings, numbered, options)
            self.records += report.records
            if number == _SLICES // 2:
                self._may_go_on.wait(_GIVE_UP_SECONDS)
            if self._is_given_up:
                return

    def _require_no_error(self) -> None:
        assert self._error is None, f"the import failed: {self._error!r}"
