"""A local copy that is damaged, cut short, or can't be: it costs the copy, and never a row."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.worker.ports.local_copy import DamagedCopyError
from journeys.agents.worker.restore.worker_slot import WorkerSlot
from journeys.clock import now_ms
from tests.fixtures.copying_process import FILL_THE_DISK, ROOT, WRITE_FOR_EVER, child
from tests.fixtures.local_copies import begun, journey, opened


def spoil(folder: Path, pattern: str) -> None:
    """Overwrite the middle of every file that matches."""
    files = list((folder / "worker-1" / "0").glob(pattern))
    assert files, f"no {pattern}"
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
        path.write_bytes(content)


def test_a_damaged_database_is_thrown_away_when_it_is_opened(tmp_path, caplog):
    """RocksDB's own list of files can't be read: a new copy."""
    store = begun(tmp_path)
    store.put(0, [journey("a", 1)], 10, now_ms())
    store.close()
    spoil(tmp_path, "MANIFEST-*")
    again = opened(tmp_path)
    assert "because they can't be read (Corruption: " in caplog.text
    assert (again.complete_to(0), list(again.rows(0))) == (None, [])


def test_damaged_rows_are_noticed_where_they_are_read(tmp_path):
    """They raise, and never look like the end of the rows; the copy is gone, so that a restart can do without."""
    store = begun(tmp_path)
    store.put(0, [journey(f"journey-{number}", number) for number in range(20_000)], 30_000, now_ms())
    store.close()
    spoil(tmp_path, "*.sst")
    damaged = opened(tmp_path)
    assert damaged.complete_to(0) == 30_000
    with pytest.raises(DamagedCopyError, match="partition 0: damaged rows kept here were deleted"):
        list(damaged.rows(0))
    damaged.close()
    assert opened(tmp_path).complete_to(0) is None


@pytest.mark.slow
def test_a_kill_in_mid_write_leaves_rows_and_offset_of_one_write(tmp_path):
    """At random: all rows are of the offset that the copy is complete to, and nothing that was put is lost."""
    chance = random.Random(4)
    for _ in range(5):
        with child(tmp_path, WRITE_FOR_EVER) as process:
            for _ in range(chance.randrange(1, 30)):
                told = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        store = begun(tmp_path)
        complete_to = store.complete_to(0)
        assert complete_to is not None
        assert complete_to >= told
        found = list(store.rows(0))
        assert len(found) == 500
        assert {row.offset for row in found} == {complete_to}
        store.close()


def test_a_disk_that_is_full_costs_the_copy_and_not_the_worker(tmp_path, capfd):
    """A line in the log, and it goes on without; the next one finds what the disk has taken."""
    with child(tmp_path, FILL_THE_DISK) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    assert out == "None []\n"
    assert "partition 0: rows can't be kept here any more" in capfd.readouterr().err
    store = begun(tmp_path)
    complete_to = store.complete_to(0)
    assert complete_to is not None
    assert {row.offset for row in store.rows(0)} == {complete_to}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    """What is wrong and which setting it is."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationError, match=r"worker-1 can't be written \(Not a directory\): set JOURNEYS_DATA_DIR"):
        WorkerSlot(tmp_path / "file" / "tables")


def test_without_the_package_there_is_one_line(tmp_path):
    """A worker that is to keep rows says what to install, before it looks for Kafka, and ends with exit code 2."""
    (tmp_path / "rocksdict.py").write_text("raise ModuleNotFoundError('No module', name='rocksdict')\n")
    settings = {"JOURNEYS_STORE": "rocksdb://", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-m", "journeys.cli", "worker", "--bootstrap-servers", "127.0.0.1:1"]
    found = subprocess.run(
        command, cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    said = "journeys: this needs the package rocksdict, which is not installed: pip install 'gaelp-journeys[rocksdb]'"
    assert found.stderr == said + "\n"
