"""Whoever reads the output leaves, or presses Ctrl-C: the command ends, and says nothing."""

import os
import signal
import socket
import subprocess

import pytest

from .console_script import journeys, started


@pytest.mark.parametrize("command", [["generate", "--journeys", "20000", "--seed", "1"], ["replay", "-"]])
def test_a_reader_that_has_enough_is_no_error(tmp_path, command):
    """As with `| head`: quiet, with the exit code that a shell gives to SIGPIPE."""
    lines = journeys("generate", "--journeys", "6000", "--seed", "1", "--touchpoints", "1", cwd=tmp_path).stdout
    with started(*command, cwd=tmp_path) as process:
        if command[0] == "replay":
            process.stdin.write(lines)
        process.stdin.close()
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == ""


def test_ctrl_c_is_quiet(tmp_path):
    """In the middle of the work, with 130."""
    with started("generate", "--journeys", "100000000", "--seed", "1", cwd=tmp_path) as process:
        assert process.stdout.readline().startswith("{")
        process.send_signal(signal.SIGINT)
        while process.stdout.read(65_536):
            pass
        assert process.wait(60) == 130
        assert process.stderr.read() == ""


@pytest.mark.parametrize("command", [["--help"], ["config"], ["fly"]], ids=" ".join)
def test_a_reader_that_never_read_is_no_error(tmp_path, command):
    """Whatever is printed, and on whichever stream."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as closed:
        done = journeys(*command, cwd=tmp_path, capture_output=False, stdout=closed, stderr=subprocess.PIPE)
        both = journeys(*command, cwd=tmp_path, capture_output=False, stdout=closed, stderr=closed)
    assert (done.returncode, both.returncode) == ((2, 141) if command == ["fly"] else (141, 141))
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_ctrl_c_while_kafka_is_waited_for_is_quiet(tmp_path):
    """In the middle of an operation on Kafka, with 130."""
    with socket.socket() as silent:  # takes connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with started("topics", "check", "--bootstrap-servers", address, cwd=tmp_path) as process:
            silent.settimeout(60)
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert (process.stdout.read(), process.stderr.read()) == ("", "")
            connection.close()
