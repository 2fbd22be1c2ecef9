"""The files that a replay writes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from journeys.cli.files.output_file import OutputFile
from journeys.schemas.lines import output_line
from journeys.streams.partition.effects import Effects


class ReplayOutput:
    """Two files: abandonments, and lifecycle records if a path is given. A context manager; raises as OutputFile."""

    def __init__(self, abandonments: str, lifecycle: str | None, inputs: Sequence[str] = ()) -> None:
        self._files = ExitStack()
        try:
            self._abandonments = self._files.enter_context(OutputFile(abandonments, inputs=inputs))
            self._lifecycle = (
                None if lifecycle is None else self._files.enter_context(OutputFile(lifecycle, inputs=inputs))
            )
        except BaseException as error:
            self._files.__exit__(type(error), error, error.__traceback__)
            raise

    def write(self, effects: Effects) -> None:
        """Write effects in firing order."""
        for abandonment in effects.abandonments:
            self._abandonments.write(output_line(abandonment))
        if self._lifecycle is not None:
            for record in effects.lifecycle:
                self._lifecycle.write(output_line(record))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)
