"""How a worker ends: exit codes, and the way out that no Faust supervisor can catch."""

from __future__ import annotations

import logging
import os
import sys
from enum import IntEnum
from typing import NoReturn


class WorkerExit(IntEnum):
    """Exit codes of `journeys worker`; codes from 70 on ask a supervisor for a restart."""

    STOPPED = 0
    SETUP = 2
    """Topics, settings or a stored table that do not fit; a restart will not help."""
    FAILED = 70
    """An error that is a defect or a broken part; what was not acknowledged will be done again."""
    STALLED = 73
    """A partition had records and none was fetched."""
    UNREACHABLE = 74
    """Kafka or the schema registry did not answer at the start; a restart helps once it does."""
    FROZEN = 75
    """The process stood still so long that others may own its partitions."""
    FENCED = 76
    """Another worker has written newer rows of a partition that this one held."""


def end_now(code: WorkerExit, why: str) -> NoReturn:
    """End the process at once, without flush or commit: what is not acknowledged must not be.

    Faust restarts a crashed agent in silence and swallows errors in recovery, so raising is no way out.
    """
    logging.getLogger("journeys.worker").critical("worker ends: %s (exit %d)", why, code)
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stderr.flush()
    os._exit(code)
