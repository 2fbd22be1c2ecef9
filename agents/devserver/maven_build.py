"""What Maven fetches and builds, once for all data folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from journeys.agents.devserver.build_cache import is_made, made_once
from journeys.agents.devserver.local_service import ServiceError

_NEEDED: Final = {
    "mvn": "Maven (mvn) is needed to fetch {names}: none is on PATH",
    "javac": "a JDK (17 or newer, with javac) is needed to build {names}: none is on PATH",
}


def check_tools(projects: Mapping[str, Path]) -> None:
    """See that `built` can make the projects (by name) that are not made yet; to be asked before anything is started.

    Raises ServiceError with one line for each tool that is missing.
    """
    names = [name for name, project in projects.items() if not is_made(name, project)]
    if names and (missing := [text for program, text in _NEEDED.items() if not _is_there(program)]):
        raise ServiceError("\n".join(text.format(names=", ".join(names)) for text in missing))


def _is_there(program: str) -> bool:
    home = os.environ.get("JAVA_HOME")
    return (shutil.which(program) or (home and shutil.which(program, path=f"{home}/bin"))) is not None


def built(name: str, project: Path, say: Callable[[str], None]) -> Path:
    """Give the folder that a Maven project fills: its `package` phase gets it as the property `made`.

    `say` gets the progress line. Raises ServiceError without Maven, or when Maven fails.
    """

    def make(made: Path) -> None:
        maven = shutil.which("mvn")
        if maven is None:
            raise ServiceError(_NEEDED["mvn"].format(names=name))
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
