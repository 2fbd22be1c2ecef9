"""The Java of this machine."""

from __future__ import annotations

import os
import shutil

from journeys.agents.devserver.broker_unavailable import INSTALL
from journeys.agents.devserver.local_service import ServiceError


def java() -> str:
    """Path of Java: that of JAVA_HOME, else the first of PATH. Raises ServiceError where there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise ServiceError(INSTALL)
    return found
