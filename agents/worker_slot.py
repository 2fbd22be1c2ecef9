"""The slot of a worker: a numbered folder that is its own for as long as it lives."""

from __future__ import annotations

import fcntl
from itertools import count
from pathlib import Path

from agents.operation_error import OperationError


class WorkerSlot:
    """The first free folder `worker-1`, `worker-2` ... of a parent; it is held until `release`.

    A worker that starts again finds the slot that it left, and in it what it wrote. The kernel frees the lock
    when its holder dies, so no slot is ever stale. Raises OperationError where the folder can't be written.
    """

    def __init__(self, parent: Path) -> None:
        for number in count(1):
            self.folder = parent / f"worker-{number}"
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = (self.folder / "lock").open("w")
            except OSError as error:
                raise OperationError(
                    f"{self.folder} can't be written ({error.strerror}): set JOURNEYS_DATA_DIR"
                ) from None
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._lock.close()
            else:
                return

    def release(self) -> None:
        """Let another worker have it."""
        self._lock.close()
