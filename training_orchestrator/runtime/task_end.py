"""The end of a background task that may not hear of it at once."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_CANCELLED_AGAIN_SECONDS: Final = 0.2


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, if there is one, and wait until it has ended; how it ends is nobody's concern.

    A cancellation that meets a timeout of the client in Redis may be lost in it: the next one is not.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCELLED_AGAIN_SECONDS)
    if task is not None and not task.cancelled():
        task.exception()
