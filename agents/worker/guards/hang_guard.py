"""The hang guard: ends a worker whose event loop does not come round.

Native code that does not return holds the interpreter: no thread of Python runs, not even the other guards. So the timer
is one of C (faulthandler), which this guard sets again and again. It writes where each thread stands, and ends
the process with code 1.
"""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from typing import Final

HANG_SECONDS: Final = 60.0
"""The longest that anything holds the loop on purpose is some seconds: making the rows of a restore, firing a million
deadlines at once."""
_SET_EVERY_SECONDS: Final = 5.0


async def watch_for_hangs() -> None:
    """Set the timer every few seconds, until cancelled."""
    try:
        while True:
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True, file=sys.__stderr__)
            await asyncio.sleep(_SET_EVERY_SECONDS)
    finally:
        faulthandler.cancel_dump_traceback_later()
