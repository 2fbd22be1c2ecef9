"""Debian's `redis-server` as a process on loopback: the Redis of the local stack. It keeps nothing on disk."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Final

from journeys.agents.devserver.local_service import LocalService
from journeys.agents.settings.development_servers import LOOPBACK

_PROBE_SECONDS: Final = 2.0


class RedisProcess(LocalService):
    """The Redis of one folder, where `redis-server` is installed; what is in it can always be filled anew."""

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
        return shutil.which("redis-server") is not None

    def start(self) -> bool:
        """Launch it without waiting; False if it runs. Raises ServiceError."""
        program = shutil.which("redis-server") or "redis-server"
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
