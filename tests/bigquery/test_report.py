"""The same questions have the same answers from BigQuery and from Parquet files, and a page shows them."""

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars
import pytest

import analytics
from agents.bigquery.deployment import apply
from analytics.abandonment_report import report_of
from analytics.page import page
from analytics.parquet_warehouse import ParquetWarehouse
from analytics.query import queries
from schemas.records import REASONS

from .exports import exported
from .rows import abandonment, insert, lifecycle, query

ROOT = Path(__file__).parent.parent.parent
DAY = 86_400_000
T0 = 1_760_000_000_000
STATES = ("UNAWARE", "AWARE", "CONSIDERING", "INTENT")


def made(count: int, seed: int) -> tuple[list[Any], list[Any]]:
    """Abandonments of 60 days, some of them delivered twice, and what came of them."""
    chance = random.Random(seed)
    abandonments, told = [], []
    for number in range(count):
        at = T0 + chance.randrange(60 * DAY)
        one = abandonment(
            number,
            abandonment_reason=chance.choice(REASONS),
            state=chance.choice(STATES),
            started_at=at - 3 * DAY,
            abandoned_at=at,
            detected_at=at,
            total_cost_micros=chance.randrange(10**9),
            total_penalty_micros=chance.randrange(10**10),
            policy_version=chance.choice(["p1", "p2"]),
        )
        abandonments += [one, one] if number % 10 == 0 else [one]
        if number % 7 == 0:
            back = lifecycle(number, "returned", one.journey_id, at + DAY, abandonment_id=one.abandonment_id)
            told += [back, back] if number % 2 else [back]
        if number % 5 == 0:
            told.append(lifecycle(count + number, "converted", f"other-{number}", at))
    return abandonments, told


@pytest.mark.broker
@pytest.mark.slow
def test_bigquery_and_duckdb_give_the_same_report(bigquery_client, house, tmp_path):
    """Every frame, row for row, of data with rows that came twice."""
    apply(bigquery_client, house)
    abandonments, told = made(1_500, seed=4)
    for start in range(0, len(abandonments), 500):
        insert(bigquery_client, house, "journey_abandonments", *abandonments[start : start + 500])
    insert(bigquery_client, house, "journey_lifecycle", *told)
    ((raw,),) = query(bigquery_client, house, "SELECT COUNT(*) FROM `{d}.journey_abandonments`")
    assert raw == len(abandonments) > 1_500

    def ask(sql: str) -> list[dict[str, Any]]:
        return [dict(row.items()) for row in bigquery_client.query(sql).result(timeout=60)]

    there = report_of(ask, house.path, 30)
    here = analytics.report(30, folder=exported(tmp_path / "parquet", abandonments, told))
    assert (there.since, there.until) == (here.since, here.until)
    for one in queries():
        assert getattr(there, one.name).equals(getattr(here, one.name)), one.name
        assert len(getattr(here, one.name)) > 0


@pytest.mark.broker
@pytest.mark.slow
def test_the_analysts_ten_queries_run_on_both(bigquery_client, house, tmp_path):
    """Each query of docs/analyst.md gives rows, and the same ones."""
    apply(bigquery_client, house)
    abandonments, told = made(300, seed=2)
    abandonments = [one._replace(user_id=f"u{number % 40}") for number, one in enumerate(abandonments)]
    insert(bigquery_client, house, "journey_abandonments", *abandonments)
    insert(bigquery_client, house, "journey_lifecycle", *told)
    here = ParquetWarehouse(exported(tmp_path / "parquet", abandonments, told))
    found = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "analyst.md").read_text("utf-8"), re.DOTALL)
    assert len(found) == 10
    for sql in found:
        rows = query(bigquery_client, house, sql.replace("DATASET", "{d}"))
        assert rows, sql
        assert rows == [tuple(row.values()) for row in here.ask(sql.replace("DATASET", here.dataset))], sql


def test_a_report_says_what_is_in_the_data(tmp_path):
    """Sums, rates and days, computed once more by hand; only the last 30 days count."""
    abandonments, told = made(800, seed=9)
    report = analytics.report(30, folder=exported(tmp_path / "parquet", abandonments, told))
    newest = max(one.abandoned_at for one in abandonments)
    kept = {one.abandonment_id: one for one in abandonments if one.abandoned_at >= newest + 1 - 30 * DAY}
    back = {one.abandonment_id for one in told if one.kind == "returned"} & kept.keys()
    assert 0 < len(kept) < 800
    assert report.abandonments == len(kept)
    assert report.return_rate == len(back) / len(kept)
    assert report.timeout_rate == sum(one.abandonment_reason == "TIMEOUT" for one in kept.values()) / len(kept)
    penalties = sum(one.total_penalty_micros for one in kept.values())
    assert report.average_penalty_micros == penalties / len(kept)
    for frame in (report.by_reason, report.by_state, report.by_day, report.by_policy):
        assert frame["abandonments"].sum() == len(kept)
        assert frame["penalty_micros"].sum() == penalties if "penalty_micros" in frame.columns else True
    assert report.by_day["day"].is_sorted()
    assert report.by_reason["penalty_micros"].is_sorted(descending=True)


@pytest.mark.slow
def test_the_pages_charts_have_the_data_in_a_real_browser(tmp_path):
    """A browser draws a bar for each reason, state and day, and loads nothing from anywhere."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    abandonments, told = made(800, seed=9)
    report = analytics.report(30, folder=exported(tmp_path / "parquet", abandonments, told))
    shown = tmp_path / "report.html"
    shown.write_text(page(report), "utf-8")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=8000", "--dump-dom", shown.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    bars = done.stdout.count('<g class="point">')
    assert bars == len(report.by_reason) + len(report.by_state) + len(report.by_day)
    assert f"<b>{report.abandonments:,}</b>" in done.stdout


def test_nothing_at_all_is_a_report_of_nothing(tmp_path):
    """No abandonment: no rate, no row, and a page all the same."""
    report = analytics.report(30, folder=exported(tmp_path / "parquet", [], []))
    assert (report.abandonments, report.timeout_rate, report.average_penalty_micros) == (0, None, None)
    assert isinstance(report.by_day, polars.DataFrame)
    assert "Abandoned journeys" in page(report)


def test_without_an_export_the_command_says_how_to_make_one(tmp_path):
    """One line and exit code 2, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "agents.cli", "report", "--folder", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"journeys: {tmp_path} has no Parquet files: write them with journeys export --folder {tmp_path}"
    ]
