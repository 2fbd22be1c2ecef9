"""Exit codes of a worker, and an exit that no Faust supervisor can catch."""

from __future__ import annotations

import logging
import os
import sys
from enum import IntEnum
from typing import NoReturn


class WorkerExit(IntEnum):
    """Exit codes of `journeys worker`; with codes from 70 on a supervisor should restart it."""

    STOPPED = 0
    HUNG = 1
    """Native code kept the interpreter; Python's faulthandler ends the process, always with this code."""
    SETUP = 2
    """Topics, settings or the stored table can't be used; a restart does not help."""
    FAILED = 70
    """An unexpected error, or the group does not take it in; what was not acknowledged is applied again."""
    STALLED = 73
    """It had its partitions, or was restoring them, and did not get on."""
    UNREACHABLE = 74
    """Kafka or the schema registry did not answer at the start; a restart helps once they do."""
    FROZEN = 75
    """The process stood still so long that others may own its partitions."""
    FENCED = 76
    """Another worker has written newer rows of a partition that this one held."""
    CLOCK = 77
    """The clocks of this machine and of the broker differ; a restart helps once they are right."""


def end_now(code: WorkerExit, why: str) -> NoReturn:
    """End the process at once, without flush or commit.

    Raising is no alternative: Faust restarts a crashed agent without a report and swallows errors in recovery.
    """
    logging.getLogger("journeys.worker").critical("worker ends: %s (exit %d)", why, code)
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.flush()
    os._exit(code)
