"""An archive that is killed at random moments, in a folder and in a bucket: each row stays in exactly one place."""

import random
import signal
import subprocess
from collections import Counter
from datetime import timedelta
from os import environ
from time import monotonic

import pytest

from journeys.agents.bigquery.archive_folder import ArchiveFolder

from .archive_ledger import ABANDONMENTS, FIRST
from .archived_rows import in_files
from .bigquery_command import started_command

pytestmark = [pytest.mark.broker, pytest.mark.slow]

KILLS = 50 if environ.get("JOURNEYS_TEST_LONG") else 3
DAYS = [FIRST, FIRST + timedelta(days=1)]


@pytest.fixture(params=["folder", "bucket"])
def url(request, tmp_path):
    """Give where the archive is: on disk, or where nothing is renamed."""
    return str(tmp_path / "archive") if request.param == "folder" else f"{request.getfixturevalue('bucket')}/archive"


def test_killed_at_random_moments_every_row_is_in_exactly_one_place(house, url, ledger):
    """The command itself, by kill -9, while rows come in for the days that it moves; at last a run to the end."""
    folder, chance, met = ArchiveFolder(url), random.Random(6), Counter()
    ledger.fill(DAYS)
    began = monotonic()
    run_to_the_end(house, url)
    seconds = monotonic() - began
    kills = 0
    while kills < KILLS:
        ledger.fill(DAYS, per_day=2)
        kills += is_killed(house, url, chance.uniform(0.2, 1) * seconds)
        live, pending = ledger.live(), in_files(folder, ".pending")
        assert (live | pending) + in_files(folder) == ledger.everything, dict(met)
        met[tuple(sorted(states(folder, live)))] += 1
        assert met.total() <= 4 * KILLS, "it has mostly ended before it was killed"
    run_to_the_end(house, url)
    print(f"killed {KILLS} times, {met.total()} runs of {seconds:.1f} s; behind them lay: {dict(met)}")
    assert ledger.live() == Counter()
    assert in_files(folder) == ledger.everything
    assert states(folder, Counter()) == {""}


def states(folder, live):
    """Where rows are: `live` for BigQuery, and the states of the files that are there."""
    found = {state for state in (".part", ".pending", "") if folder.files(ABANDONMENTS, state)}
    return found | {"live"} if live else found


def words(url):
    """What the command is told."""
    return ["archive", "--older-than-days", "400", "--to", url, "--really"]


def run_to_the_end(house, url):
    """Archive without a kill."""
    process = started_command(house, *words(url))
    said, complained = process.communicate(timeout=120)
    assert process.returncode == 0, said + complained


def is_killed(house, url, seconds):
    """Kill the command when it has run so long; False if it had ended before."""
    process = started_command(house, *words(url))
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0
