"""The jars of Apache Kafka, fetched once by Maven into a cache that all data directories share."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from journeys.agents.devserver.broker_unavailable import INSTALL, BrokerUnavailable

POM = Path(__file__).parent / "kafka_files" / "pom.xml"


def kafka_version() -> str:
    """Give the version of Kafka that the pom names, such as `4.3.1`."""
    found = re.search(r"<kafka\.version>([^<]+)<", POM.read_text("utf-8"))
    assert found, f"{POM} names no kafka.version"
    return found[1]


def libs_directory() -> Path:
    """Give the directory of the jars, whether it exists or not.

    It lies under `$XDG_CACHE_HOME` (default `~/.cache`). A changed pom has another directory, so jars of
    two versions never mix.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    content = hashlib.blake2b(POM.read_bytes(), digest_size=4).hexdigest()
    return cache / "journeys" / f"kafka-{kafka_version()}-{content}" / "libs"


def fetched(say: Callable[[str], None]) -> Path:
    """Give the directory of the jars and fetch them first if they are not there.

    Any number of processes may call this at once: one fetches, the others wait. `say` gets the progress
    line. Raises BrokerUnavailable without Maven, or when Maven fails.
    """
    libs = libs_directory()
    if libs.is_dir():
        return libs
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailable(INSTALL)
    libs.parent.mkdir(parents=True, exist_ok=True)
    with (libs.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libs.is_dir():
            say(f"fetching Kafka {kafka_version()} (about 43 MB) ...")
            _fetch(maven, libs)
    return libs


def _fetch(maven: str, libs: Path) -> None:
    with tempfile.TemporaryDirectory(dir=libs.parent, prefix="part-") as part:
        command = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(POM)]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={part}/libs"]
        maven_run = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if maven_run.returncode != 0:
            said = "\n".join(maven_run.stdout.strip().splitlines()[-5:])
            raise BrokerUnavailable(f"Maven could not fetch Kafka {kafka_version()}:\n{said}")
        # Only a whole directory gets the name: an interrupted fetch leaves none that looks complete.
        (Path(part) / "libs").rename(libs)
