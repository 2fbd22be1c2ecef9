"""A real redis-server for a test: started, paused, killed, started again empty."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path
from time import monotonic, sleep

import redis

from journeys.agents.devserver.redis_process import redis_program

PROGRAM = redis_program()


class RedisServer:
    """One server on loopback that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        assert PROGRAM is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([PROGRAM, *options], stdout=subprocess.DEVNULL)
        deadline = monotonic() + 30
        while True:
            try:
                assert self.client().ping()
            except redis.ConnectionError:
                assert monotonic() < deadline, "redis-server does not answer"
                sleep(0.02)
            else:
                return

    def client(self) -> redis.Redis:
        """A client of the test."""
        return redis.Redis(port=self.port, decode_responses=True)

    def raw_client(self) -> redis.Redis:
        """A client that gives bytes."""
        return redis.Redis(port=self.port)

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Freeze it: connections stay, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Unfreeze it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def tidy(self) -> None:
        """Leave no process behind."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
