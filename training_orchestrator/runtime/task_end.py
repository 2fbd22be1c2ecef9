"""Cancels a background task until it has ended."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_CANCELLED_AGAIN_SECONDS: Final = 0.2


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, if there is one, and wait until it has ended; its result or error is ignored.

    The Redis client can lose a cancellation that meets one of its timeouts, so the task is cancelled repeatedly.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCELLED_AGAIN_SECONDS)
    if task is not None and not task.cancelled():
        task.exception()
