"""What Maven fetches and builds, once for all data folders."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from journeys.agents.devserver.broker_unavailable import INSTALL
from journeys.agents.devserver.build_cache import made_once
from journeys.agents.devserver.local_service import ServiceError


def built(name: str, project: Path, say: Callable[[str], None]) -> Path:
    """Give the folder that a Maven project fills: its `package` phase gets it as the property `made`.

    `say` gets the progress line. Raises ServiceError without Maven, or when Maven fails.
    """

    def make(made: Path) -> None:
        maven = shutil.which("mvn")
        if maven is None:
            raise ServiceError(INSTALL)
        say(f"fetching {name} ...")
        with tempfile.TemporaryDirectory(prefix="journeys-maven-") as work:
            command = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(project / "pom.xml")]
            done = subprocess.run(  # noqa: S603 - a fixed command, no shell
                [*command, "package", f"-Dmade={made}", f"-Dwork={work}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise ServiceError(f"Maven could not make {name}:\n{done.stdout.strip()[:1500]}")

    return made_once(name, project, make)
