"""How it is seen from outside when a system has done its work, and when it began and ended."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.system import System, Window
from journeys.agents.kafka.group_lag import group_lag
from journeys.agents.settings.settings import Settings

_MS = 1_000
PROGRESS_FILE = "progress.json"
LOG = "log"
"""Of a process, in its folder."""


class Trace(ABC):
    """What a system leaves behind that can be timed."""

    @abstractmethod
    async def is_done(self, settings: Settings, folder: Path, end_offsets: Mapping[int, int]) -> bool:
        """Whether all of the input, which ends at these offsets by partition, is processed."""

    @abstractmethod
    async def window(self, settings: Settings, folders: Sequence[Path]) -> Window:
        """From the first touchpoint to the last, once all are processed; each process has one of the folders."""


class ProgressFile(Trace):
    """A file that the system itself writes when it has counted all touchpoints (epoch milliseconds)."""

    async def is_done(self, settings: Settings, folder: Path, end_offsets: Mapping[int, int]) -> bool:
        """Whether the file is there: it is put there as a whole."""
        del settings, end_offsets
        return (folder / PROGRESS_FILE).exists()

    async def window(self, settings: Settings, folders: Sequence[Path]) -> Window:
        """As the file says."""
        del settings
        said = json.loads((folders[0] / PROGRESS_FILE).read_text("utf-8"))
        return Window(said["begins_at_ms"] / _MS, said["ends_at_ms"] / _MS, said["processed"])


class Changelog(Trace):
    """Rows of a changelog, whose records bear the time at which they were handed to the producer.

    So the window of such a system ends later than that of one that says it has processed a touchpoint: when the
    last change is on its way to where it is durable.
    """

    def __init__(self, system: System) -> None:
        self._system = system

    async def is_done(self, settings: Settings, folder: Path, end_offsets: Mapping[int, int]) -> bool:
        """Whether the group has committed all of the input."""
        del folder
        return all(behind == 0 for behind in (await group_lag(settings, end_offsets)).values())

    async def window(self, settings: Settings, folders: Sequence[Path]) -> Window:
        """As the system's rows and logs say."""
        return await self._system.window(settings, [folder / LOG for folder in folders])
