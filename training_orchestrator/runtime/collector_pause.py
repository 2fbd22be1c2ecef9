"""Pauses Python's garbage collector while a large batch is applied.

A full collection over the tens of thousands of objects of a batch holds the interpreter's lock, and with it every event
loop of the process, for a quarter of a second. They are freed by their reference counts when the batch is done.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_LOCK = Lock()
_pauses = 0
_was_enabled = False


@contextmanager
def collector_pause() -> Iterator[None]:
    """No collections until the last of all pauses has ended; a collector that was off before stays off."""
    global _pauses, _was_enabled  # noqa: PLW0603  (the collector is one for the process)
    with _LOCK:
        if not _pauses:
            _was_enabled = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _LOCK:
            _pauses -= 1
            if not _pauses and _was_enabled:
                gc.enable()
