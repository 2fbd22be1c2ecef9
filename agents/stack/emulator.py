"""The emulator of BigQuery for development: `bqemulator`, in an environment of its own, as a process on loopback.

It needs a DuckDB that the rest of the project does not pin, hence the environment of its own; it is made once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from journeys.agents.devserver.build_cache import made_once
from journeys.agents.devserver.local_service import LocalService, ServiceError
from journeys.agents.settings.development_servers import LOOPBACK

REQUIREMENTS: Final = Path(__file__).parent / "emulator_environment" / "requirements.txt"
# DuckDB looks for its extensions below the home of its user: this copies them there out of their packages.
# Each writer that is killed within a request takes one of its threads with it, for good, and it has but four more than
# there are processors. So it is told of more processors.
_PROGRAM: Final = "import os, runpy; os.cpu_count = lambda: 60; runpy.run_module('bqemulator', run_name='__main__')"
_EXTENSIONS: Final = "from duckdb_extensions import import_extension as i; i('spatial'); i('avro')"


class Emulator(LocalService):
    """The emulator of one folder; its tables survive a stop and a crash."""

    def __init__(self, directory: Path) -> None:
        super().__init__("the BigQuery emulator", directory, port_names=("http", "grpc"), path="/readyz")

    @property
    def grpc_endpoint(self) -> str | None:
        """Where it answers the Storage Write API, as host:port; None before the first start."""
        ports = self.ports
        return None if ports is None else f"{LOOPBACK}:{ports['grpc']}"

    def start(self, say: Callable[[str], None]) -> bool:
        """Launch it without waiting for its answer; False if it runs. Raises ServiceError.

        The first start on a machine makes its environment, which takes a minute.
        """

        def make(home: Path) -> None:
            say("making the environment of the BigQuery emulator (about 600 MB) ...")
            _make_environment(home)

        home = made_once("bqemulator", REQUIREMENTS.parent, make)
        ports = self.choose_ports()
        command = [str(home / "venv" / "bin" / "python"), "-c", _PROGRAM, "start"]
        command += ["--rest-port", str(ports["http"]), "--grpc-port", str(ports["grpc"]), "--log-level", "warning"]
        command += ["--persistent", "--data-dir", str(self.directory / "data")]
        return self.launch(command, {"HOME": str(home), "PATH": os.defpath})


def _make_environment(home: Path) -> None:
    python = home / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    here = dict(os.environ)
    for command, environment in (
        ([sys.executable, "-m", "venv", str(home / "venv")], here),
        ([*install, "--no-deps", "--requirement", str(REQUIREMENTS)], here),
        ([str(python), "-c", _EXTENSIONS], here | {"HOME": str(home)}),
    ):
        done = subprocess.run(  # noqa: S603 - fixed commands, no shell
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-1000:]
            raise ServiceError(f"the environment of the BigQuery emulator could not be made:\n{said}")
