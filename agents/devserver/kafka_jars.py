"""The jars of Apache Kafka, fetched once into a cache that all data directories share.

Maven fetches them where it is installed, else the package jgo, which needs no Java. Both from Maven Central;
what either of them brings must be what `jars.sha256` lists.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from journeys.agents.devserver.broker_unavailable import INSTALL, BrokerUnavailable

POM = Path(__file__).parent / "kafka_files" / "pom.xml"
# What Maven makes of the pom: SHA-256 and path in a Maven repository, a jar a line. It changes whenever the pom does:
# until then a fetch is refused.
CHECKSUMS = POM.with_name("jars.sha256")
CONNECTIONS = 8
TIMEOUT_SECONDS = 60


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
    line. Raises BrokerUnavailable without Maven and without jgo, when the one that is there fails, and when a
    jar is not the one that is expected.
    """
    libs = libs_directory()
    if libs.is_dir():
        return libs
    maven = shutil.which("mvn")
    if maven is None and not _has_jgo():
        raise BrokerUnavailable(INSTALL)
    libs.parent.mkdir(parents=True, exist_ok=True)
    with (libs.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libs.is_dir():
            say(f"fetching Kafka {kafka_version()} (about 43 MB) by {'jgo' if maven is None else 'Maven'} ...")
            with tempfile.TemporaryDirectory(dir=libs.parent, prefix="part-") as part:
                if maven is None:
                    _fetch_by_jgo(Path(part))
                else:
                    _fetch_by_maven(maven, Path(part))
                _check(Path(part) / "libs")
                # Only a whole directory gets the name: an interrupted fetch leaves none that looks complete.
                (Path(part) / "libs").rename(libs)
    return libs


def _has_jgo() -> bool:
    try:
        import jgo  # noqa: F401, PLC0415 - an extra that may be missing
    except ImportError:
        return False
    return True


def _fetch_by_maven(maven: str, part: Path) -> None:
    command = [maven, "--quiet", "--batch-mode", "--strict-checksums", "--file", str(POM)]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={part}/libs"]
    maven_run = subprocess.run(  # noqa: S603 - a fixed command, no shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if maven_run.returncode != 0:
        output = "\n".join(maven_run.stdout.strip().splitlines()[-5:])
        raise BrokerUnavailable(f"Maven could not fetch Kafka {kafka_version()}:\n{output}")


def _fetch_by_jgo(part: Path) -> None:
    from jgo.maven import MavenContext  # noqa: PLC0415 - an extra that may be missing

    # A repository of its own: a jar that is in ~/.m2 already may be half of one, which jgo would not see.
    context = MavenContext(repo_cache=part / "repository", local_repos=[], timeout=TIMEOUT_SECONDS)

    def fetch(path: str) -> None:
        group, artifact, version, name = path.rsplit("/", 3)
        jar = context.project(group.replace("/", "."), artifact).at_version(version).artifact().resolve()
        jar.rename(part / "libs" / name)

    (part / "libs").mkdir()
    try:
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            for _ in threads.map(fetch, _checksums()):
                pass
    except (OSError, RuntimeError) as error:  # no connection; no such jar
        raise BrokerUnavailable(f"jgo could not fetch Kafka {kafka_version()}: {error}") from error


def _checksums() -> dict[str, str]:
    """SHA-256 of each jar by its path in a Maven repository."""
    lines = CHECKSUMS.read_text("utf-8").splitlines()
    return {path: digest for digest, path in map(str.split, lines)}


def _check(libs: Path) -> None:
    expected = {path.rpartition("/")[2]: digest for path, digest in _checksums().items()}
    fetched_now = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in libs.iterdir()}
    wrong = sorted({name for name, _ in expected.items() ^ fetched_now.items()})
    if wrong:
        raise BrokerUnavailable(f"Kafka {kafka_version()}: not as {CHECKSUMS.name} lists it: {', '.join(wrong)}")
