"""History in seven parts, the import killed in each, then live traffic: nothing is lost, late, or counted twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import check_table
from journeys.cli.main import app
from journeys.clock import now_ms
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.records import Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.partition.driver import replay_unpunctuated
from tests.fixtures.fresh_kafka import emptied

from .topic_exchange import append, published
from .verified import verified
from .worker_process import ROOT

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PARTS = 7
JOURNEYS = 600
# Nothing of the history ends by inactivity within an hour of the test's own time.
FORBIDDEN_MS = (71 * HOUR_MS, 73 * HOUR_MS)


def made_history(now: int) -> list[Touchpoint]:
    """Touchpoints of the last 35 days up to an hour ago, in the order of their time; long texts fill batches."""
    chance = random.Random(17)
    ages = [chance.randrange(HOUR_MS, 35 * DAY_MS) for _ in range(PARTS * JOURNEYS)]
    ages = [age for age in ages if not FORBIDDEN_MS[0] < age < FORBIDDEN_MS[1]]
    return [
        Touchpoint(
            f"journey-{chance.randrange(JOURNEYS)}",
            None,
            f"touchpoint-{number}",
            now - age,
            cost_micros=chance.randrange(2_000_000),
            segment="s" * 200,
        )
        for number, age in enumerate(sorted(ages, reverse=True))
    ]


def line_of(one: Touchpoint) -> str:
    """A line of a file of history."""
    said = {name: getattr(one, name) for name in ("journey_id", "touchpoint_id", "occurred_at", "segment")}
    return json.dumps(said | {"cost_micros": one.cost_micros}) + "\n"


class Import:
    """`journeys import` as a process, said as often as it takes."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self._settings = settings
        self._command = [sys.executable, "-m", "journeys.cli", "import", str(path), "--json"]
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
        self._environment |= {"PYTHONPATH": str(ROOT), "JOURNEYS_BOOTSTRAP_SERVERS": settings.bootstrap_servers}

    def killed_midway(self) -> None:
        """Start it, and kill it (SIGKILL) when something of it is in the log."""
        before = asyncio.run(self._length())
        with self._started(subprocess.DEVNULL) as process:
            while process.poll() is None and asyncio.run(self._length()) < before + 50:
                pass
            process.kill()

    def ended(self) -> dict:
        """Say it again, to its end; gives its figures."""
        with self._started(subprocess.PIPE) as process:
            out, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        return json.loads(out)

    def _started(self, output: int) -> subprocess.Popen:
        return subprocess.Popen(
            self._command, env=self._environment, cwd=ROOT, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )

    async def _length(self) -> int:
        async with open_log(self._settings, JOURNEY_EVENTS, catalog=None) as log:
            return sum(log.end_offsets.values())


def of_one_file(history: list[Touchpoint], until: int) -> list[tuple]:
    """What a replay of one file says, in the shape of `of_topic`."""
    effects = replay_unpunctuated(enumerate(history), until=until)
    return sorted(map(shown, (one for each in effects for one in each.abandonments)))


def shown(record) -> tuple:
    """What must be equal; when it was detected depends on who writes the time."""
    money = (record.total_cost_micros, record.total_penalty_micros)
    return (record.journey_id, record.started_at, record.abandoned_at, record.abandonment_reason, *money)


def test_row_3_history_in_seven_parts_then_live_is_as_one_file(broker, workers, tmp_path):
    """Two workers from the beginning; a kill -9 in each import; live touchpoints go on with journeys of the history."""
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    workers.start(settings)
    doomed = workers.start(settings)
    now = now_ms()
    history = made_history(now)
    there_before = records = 0
    for number in range(PARTS):
        part = history[number * len(history) // PARTS : (number + 1) * len(history) // PARTS]
        path = tmp_path / f"part-{number}.jsonl"
        path.write_text("".join(map(line_of, part)))
        one = Import(settings, path)
        one.killed_midway()
        report = one.ended()
        assert (report["records"], report["bad_lines"], report["left_out_behind"]) == (len(part), 0, 0)
        there_before += report["there_before"]
        records += report["records"]
    assert records == len(history)
    assert there_before > 0  # some were killed in the middle

    words = ["topics", "live", "--bootstrap-servers", str(settings.bootstrap_servers)]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, "4 partitions became live" in done.stderr) == (0, True), done.output
    open_then = {one.journey_id for one in history if now - one.occurred_at < 3 * DAY_MS}
    live = [Touchpoint(name, None, f"live-{name}", now_ms()) for name in sorted(open_then)[::2]]
    append(settings, *live)
    wanted = of_one_file(history + live, now_ms() - 60_000)
    workers.wait_until(lambda: len(published(settings)) >= len(wanted), "not all were abandoned")
    doomed.kill()
    workers.wait_until_applied(settings)
    assert sorted(map(shown, published(settings))) == wanted
    report, _ = verified(settings)
    assert (report.counts.late, report.counts.duplicate, report.counts.dead) == (0, 0, 0)
    assert report.counts.time_source_changes == 4
    checked = asyncio.run(check_table(settings))
    assert checked.ok, checked.differences
