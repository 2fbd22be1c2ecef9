"""A server of this machine is found again, and no other program is taken for it."""

from __future__ import annotations

import json
import os
import sys

import pytest

from journeys.agents.devserver.local_service import LocalService


@pytest.fixture
def service(tmp_path):
    """A process that waits; gone when the test is over."""
    service = LocalService("the waiting one", tmp_path / "folder")
    service.launch([sys.executable, "-c", "import time; time.sleep(600)"], os.environ)
    pid, began = said(service)
    yield service
    say(service, pid, began)
    service.kill()


def said(service):
    """What its folder says of the process."""
    return json.loads((service.directory / "process.json").read_text())


def say(service, pid, began):
    """Let its folder say so."""
    (service.directory / "process.json").write_text(json.dumps([pid, began]))


def test_a_server_is_found_and_stopped(service):
    """It is one process, and none after that."""
    pid, _ = said(service)
    assert service.pid == pid
    assert not service.launch(["never"], {})
    assert service.stop()
    assert service.pid is None
    assert not service.stop()


@pytest.mark.parametrize("moved", [-1.0, 1.0, -20.0, 20.0])
def test_a_server_is_found_after_the_clock_was_set(service, moved):
    """The boot's time moves with the clock, and so what Linux says of a process's beginning."""
    pid, began = said(service)
    say(service, pid, began + moved)
    assert service.pid == pid
    assert service.stop()


def test_another_program_under_the_same_number_is_left_alone(service):
    """It began at another time."""
    pid, began = said(service)
    say(service, pid, began - 3_600)
    assert service.pid is None
    assert not service.kill()
