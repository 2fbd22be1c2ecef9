"""A worker's slot: one holder at a time, and a name in the group that its next holder has too."""

import re

import pytest

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.worker.restore import worker_slot
from journeys.agents.worker.restore.worker_slot import WorkerSlot

# What Kafka takes as a group.instance.id.
LEGAL = re.compile(r"[A-Za-z0-9._-]{1,249}")


def test_the_next_holder_of_a_slot_has_its_name(tmp_path):
    """A worker that was killed and comes back is known again, whatever its process."""
    first = WorkerSlot(tmp_path)
    name = first.instance_id()
    assert LEGAL.fullmatch(name)
    assert first.instance_id() == name
    first.release()
    again = WorkerSlot(tmp_path)
    assert (again.folder, again.instance_id()) == (first.folder, name)


def test_no_two_workers_have_one_name(tmp_path):
    """Neither in one folder at the same time, nor in another folder of the host."""
    slots = [WorkerSlot(tmp_path / "one"), WorkerSlot(tmp_path / "one"), WorkerSlot(tmp_path / "other")]
    assert [slot.folder.name for slot in slots] == ["worker-1", "worker-2", "worker-1"]
    assert len({slot.instance_id() for slot in slots}) == 3


def test_the_same_folder_on_another_host_is_another_worker(tmp_path, monkeypatch):
    """An image or a volume that was copied with its id must not take the original's place; names are made legal."""
    slot = WorkerSlot(tmp_path)
    here = slot.instance_id()
    monkeypatch.setattr(worker_slot.socket, "gethostname", lambda: "other höst/1")
    there = slot.instance_id()
    assert there != here
    assert there.startswith("other-h-st-1-")
    assert LEGAL.fullmatch(there)


@pytest.mark.parametrize("content", ["", "half", "../../etc", "0123456789abcdef" * 3])
def test_an_id_that_is_none_is_made_anew(tmp_path, content):
    """What a full disk or an editor left behind."""
    slot = WorkerSlot(tmp_path)
    (slot.folder / "id").write_text(content)
    name = slot.instance_id()
    assert re.search(r"-[0-9a-f]{32}$", name)
    assert slot.instance_id() == name


def test_an_id_that_can_not_be_written_is_one_line(tmp_path):
    """What is wrong and which setting it is."""
    slot = WorkerSlot(tmp_path)
    (slot.folder / "id.new").mkdir()
    with pytest.raises(OperationError, match=r"worker-1/id can't be written \(Is a directory\): set JOURNEYS_DATA_DIR"):
        slot.instance_id()
