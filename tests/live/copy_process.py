"""`journeys topics copy` as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

from journeys.agents.settings.settings import Settings

from .worker_process import ROOT


class CopyProcess:
    """`journeys topics copy` as a process."""

    def __init__(self, settings: Settings, folder: Path, new: Settings, partitions: int) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
        environment |= {"PYTHONPATH": str(ROOT), "JOURNEYS_BOOTSTRAP_SERVERS": settings.bootstrap_servers or ""}
        environment |= {"JOURNEYS_TOPIC_PREFIX": settings.topic_prefix}
        file = folder / f"{new.topic_prefix}env"
        file.write_text(
            f"JOURNEYS_TOPIC_PREFIX={new.topic_prefix}\nJOURNEYS_BOOTSTRAP_SERVERS={new.bootstrap_servers}\n"
        )
        self._log = (folder / f"{new.topic_prefix}log").open("ab")
        self._path = folder / f"{new.topic_prefix}log"
        command = [sys.executable, "-m", "journeys.cli", "topics", "copy", str(file), "--json"]
        self.process = subprocess.Popen(
            [*command, "--partitions", str(partitions)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def wait_until_said(self, text: str) -> None:
        """Wait for a remark."""
        deadline = monotonic() + 120
        while text not in self._path.read_text():
            assert self.process.poll() is None, self._path.read_text()
            assert monotonic() < deadline, self._path.read_text()
            sleep(0.1)

    def result(self) -> dict:
        """What it says at its end."""
        out, _ = self.process.communicate(timeout=240)
        assert out, self._path.read_text()
        return json.loads(out)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.communicate()
