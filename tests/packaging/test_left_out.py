"""No real part is left out in silence: each skip has its reason, a list names it, and with CI set it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.bare_machine import hiding_packages
from tests.fixtures.left_out import PARTS, left_out, summary

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
import pytest
from tests.fixtures.left_out import left_out

@pytest.mark.skipif(True, reason=left_out("redis"))
@pytest.mark.parametrize("case", [1, 2])
def test_by_mark(case):
    pass

def test_by_call():
    pytest.skip(left_out("docker"))

@pytest.mark.xfail(strict=True)
def test_that_fails_as_expected():
    raise AssertionError
"""
WHOLE_FILE = "import pytest; pytest.importorskip('no_such_engine', reason={reason!r})"
SKIPPED_AS_BEFORE = "import pytest\n\ndef test_it():\n    pytest.skip('not installed')"


def run(folder, *options, **environment):
    """Run pytest on a folder of tests as this suite runs; gives exit code and output."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"CI", "JOURNEYS_TEST_LEFT_OUT"}}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-c",
            str(ROOT / "pyproject.toml"),
            *options,
            folder,
        ],
        cwd=ROOT,
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def suite(tmp_path):
    """Give a folder with a suite of its own, under the same hooks."""
    folder = tmp_path / "suite"
    folder.mkdir()
    hooks = "pytest_make_collect_report, pytest_runtest_makereport"
    (folder / "conftest.py").write_text(f"from tests.fixtures.left_out import {hooks}\n")
    return folder


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_left_out_is_gathered_from_all_processes(workers, suite, tmp_path):
    """By test and by file, in one process or several; what is expected to fail is not among it."""
    (suite / "test_one.py").write_text(SUITE)
    (suite / "test_two.py").write_text(WHOLE_FILE.format(reason=left_out("engine")))
    gathered = tmp_path / "gathered"
    code, output = run(suite, "-n", workers, JOURNEYS_TEST_LEFT_OUT=str(gathered))
    assert code == 0, output
    seen = {(entry["part"], entry["test"].rpartition("/")[2]) for entry in map(json.loads, gathered.open())}
    assert seen == {
        ("redis", "test_one.py::test_by_mark[1]"),
        ("redis", "test_one.py::test_by_mark[2]"),
        ("docker", "test_one.py::test_by_call"),
        ("engine", "test_two.py"),
    }


def test_with_ci_set_a_wanted_part_fails_and_another_does_not(suite):
    """Redis is wanted on every machine, Docker is not."""
    (suite / "test_one.py").write_text(SUITE)
    code, output = run(suite, CI="true")
    assert code == 1
    assert "1 skipped, 1 xfailed, 2 errors" in output
    assert f"CI is set, so this may not be left out. {left_out('redis')}" in output


def test_a_skip_for_any_other_reason_fails(suite):
    """Else it would be missing in the list."""
    (suite / "test_one.py").write_text(SKIPPED_AS_BEFORE)
    code, output = run(suite)
    assert code == 1
    assert "left out for 'not installed', which is not a reason of tests/fixtures/left_out.py" in output
    (suite / "test_one.py").write_text(WHOLE_FILE.format(reason="not installed"))
    assert run(suite)[0] != 0


def test_the_list_names_parts_and_tests():
    """Cases of one test are one line; programs that `make test-engine` had to do without are in it."""
    lines = [json.dumps({"part": "redis", "test": f"tests/a.py::test_b[{case}]"}) for case in range(3)]
    lines += [json.dumps({"part": "long", "test": "tests/c.py::test_d"})] * 2
    assert summary(lines, ["cargo"]).splitlines() == [
        "left out:",
        f"  {left_out('cargo')}",
        "    cargo test",
        f"  {left_out('long')}",
        "    tests/c.py::test_d",
        f"  {left_out('redis')}",
        "    tests/a.py::test_b",
    ]
    assert summary([], []) == "nothing was left out"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "test"),
    [
        ("redis", "tests/agents/devserver/test_redis_process.py"),
        ("browser", "tests/bigquery/test_report.py::test_the_pages_charts_have_the_data_in_a_real_browser"),
        ("broker", "tests/agents/devserver/test_broker.py::test_the_shared_fixture_takes_and_gives_a_record"),
    ],
)
def test_with_ci_set_a_machine_without_it_fails_the_real_test(part, test, bare_path, tmp_path):
    """Nothing on PATH, none of the packages installed, npm and PyPI out of reach."""
    nowhere = "http://127.0.0.1:9"  # nothing listens there
    code, output = run(
        test,
        PATH=str(bare_path),
        PYTHONPATH=hiding_packages(tmp_path / "hidden"),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        JAVA_HOME="",
        JOURNEYS_BOOTSTRAP_SERVERS="",
        DOCKER_HOST="unix:///nowhere/docker.sock",
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS="",
        PIP_PROXY=nowhere,
        CI="true",
    )
    assert code == 1, output
    assert ("no Kafka can be started here" if part == "broker" else left_out(part)) in output


def test_the_wanted_parts_are_those_that_every_machine_can_have():
    """Docker, a toolchain or hours of time are not."""
    assert {name for name, part in PARTS.items() if part.is_wanted} == {"redis", "browser", "promtool"}
