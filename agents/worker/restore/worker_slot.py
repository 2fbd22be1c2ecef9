"""The slot of a worker: a numbered folder that is its own for as long as it lives."""

from __future__ import annotations

import fcntl
import re
import socket
from itertools import count
from pathlib import Path
from typing import Final
from uuid import uuid4

from journeys.agents.settings.operation_error import OperationError

_ID_FILE: Final = "id"
_ID: Final = re.compile(r"[0-9a-f]{32}")
# What Kafka takes in a group.instance.id.
_NOT_ALLOWED: Final = re.compile(r"[^A-Za-z0-9._-]")


class WorkerSlot:
    """The first free folder `worker-1`, `worker-2` ... of a parent; it is held until `release`.

    A worker that starts again finds the slot that it left, and in it what it wrote. The kernel frees the lock
    when its holder dies, so no slot is ever stale, and two live workers never have the same.
    Raises OperationError where the folder can't be written or locked.
    """

    def __init__(self, parent: Path) -> None:
        for number in count(1):
            self.folder = parent / f"worker-{number}"
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = (self.folder / "lock").open("w")
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._lock.close()
            except OSError as error:
                raise OperationError(
                    f"{self.folder} can't be written ({error.strerror}): set JOURNEYS_DATA_DIR"
                ) from None
            else:
                return

    def instance_id(self) -> str:
        """Name under which the consumer group knows the worker of this slot again.

        Made of the host's name and an id that is written into the folder when it is first asked for: the same
        folder of another host, or another folder of the same host, is another worker. Raises OperationError.
        """
        path = self.folder / _ID_FILE
        try:
            known = path.read_text("utf-8") if path.exists() else ""
            if not _ID.fullmatch(known):
                known = uuid4().hex
                new = path.with_suffix(".new")
                new.write_text(known, "utf-8")
                new.replace(path)
        except OSError as error:
            raise OperationError(f"{path} can't be written ({error.strerror}): set JOURNEYS_DATA_DIR") from None
        host = _NOT_ALLOWED.sub("-", socket.gethostname())[:100]
        return f"{host}-{known}"

    def release(self) -> None:
        """Let another worker have it."""
        self._lock.close()
