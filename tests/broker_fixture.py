"""One Kafka for a test run, from the ladder of `agents.broker`, gone when the run is over.

With pytest-xdist each worker that runs a broker test has its own, so that a test may kill it.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.broker import Broker, start

ROOT = Path(__file__).parent.parent
# Waits for the end of its input, which comes also when the test run is killed and can tidy up nothing.
LEASH = """
import shutil, sys
from pathlib import Path
from agents.broker import discard
sys.stdin.read()
discard(Path(sys.argv[1]))
shutil.rmtree(sys.argv[1])
"""


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """Give a Kafka that answers. A test that calls `.kill()` or `.restart()` skips a configured one."""
    directory = Path(tempfile.mkdtemp(prefix="journeys-broker-"))
    with leashed(directory):
        yield start(directory)


@pytest.fixture(scope="module")
def last_rung() -> Iterator[None]:
    """Leave only the last rung of the ladder: no configured server, no Docker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JOURNEYS_BOOTSTRAP_SERVERS", raising=False)
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        yield


@contextmanager
def leashed(directory: Path) -> Iterator[None]:
    """Discard the broker of `directory` at the end, or when this process dies, however it dies."""
    leash = subprocess.Popen(
        [sys.executable, "-c", LEASH, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for pytest alone
    )
    assert leash.stdin is not None
    try:
        yield
    finally:
        leash.stdin.close()
        assert leash.wait(60) == 0, f"the broker of {directory} was not tidied away"
