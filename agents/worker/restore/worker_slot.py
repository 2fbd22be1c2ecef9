"""The slot of a worker: a numbered folder that it locks while it runs."""

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
# Characters that Kafka does not allow in a group.instance.id.
_NOT_ALLOWED: Final = re.compile(r"[^A-Za-z0-9._-]")


class WorkerSlot:
    """The first free folder `worker-1`, `worker-2` ... of a parent; it is held until `release`.

    A restarted worker gets its slot again, with the files in it. The kernel releases the lock when the process ends, so
    that no lock is stale and no two running workers share a slot.
    Raises OperationError if the folder can't be written or locked.
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
        """`group.instance.id` of the worker in this slot.

        It is made of the host name and an id that is written into the folder on first use: the same folder on another
        host, or another folder on the same host, is another worker. Raises OperationError.
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
        """Release the slot for another worker."""
        self._lock.close()
