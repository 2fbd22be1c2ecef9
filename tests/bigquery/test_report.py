"""The same questions have the same answers from BigQuery and from Parquet files, and a page shows them."""

import asyncio
import os
import random
import re
import runpy
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import polars
import pytest

from journeys import analytics
from journeys.agents.bigquery.deployment import apply
from journeys.agents.bigquery.table_fill import fill
from journeys.agents.demo.ecom import load_mapping
from journeys.agents.demo.ecom import touchpoints as clickstream
from journeys.agents.demo.made_journeys import arrivals, merge
from journeys.analytics.abandonment_report import report_of
from journeys.analytics.page import page
from journeys.analytics.parquet_warehouse import ParquetWarehouse
from journeys.analytics.query import queries
from journeys.analytics.table import all_tables, touchpoint_table
from journeys.schemas.instants import DAY_MS, parse_instant
from journeys.schemas.lines import parse_line
from journeys.schemas.printable import printable
from journeys.schemas.records import REASONS, Touchpoint
from journeys.streams.partition.driver import replay_unpunctuated
from tests.fixtures.browser import NoBrowserError, browser, shown
from tests.fixtures.hostile import HOSTILE
from tests.fixtures.left_out import left_out

from .exports import exported, hostile_export
from .rows import abandonment, insert, lifecycle, query, touchpoint

ROOT = Path(__file__).parent.parent.parent
DAY = 86_400_000
T0 = 1_760_000_000_000
STATES = ("UNAWARE", "AWARE", "CONSIDERING", "INTENT")


CHANNELS = ("search", "email", "social", None)


class Made(NamedTuple):
    """Records of a test, by their tables."""

    abandonments: list[Any]
    told: list[Any]
    touchpoints: list[Any]


def made(count: int, seed: int) -> Made:
    """Abandonments of 60 days, some of them delivered twice, what came of them, and what went before."""
    chance = random.Random(seed)
    abandonments, told, touchpoints = [], [], []
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
            last_touchpoint_at=None if number % 11 == 0 else at - DAY,
        )
        for hours in range(4):  # the last one is late: no abandonment names its time
            touched = touchpoint(4 * number + hours, one.journey_id, at - DAY + (hours - 2) * 1_000, None)
            touchpoints += [touched._replace(channel=chance.choice(CHANNELS))] * chance.choice((1, 1, 2))
        abandonments += [one, one] if number % 10 == 0 else [one]
        if number % 7 == 0:
            back = lifecycle(number, "returned", one.journey_id, at + DAY, abandonment_id=one.abandonment_id)
            told += [back, back] if number % 2 else [back]
        if number % 5 == 0:
            told.append(lifecycle(count + number, "converted", f"other-{number}", at))
    return Made(abandonments, told, touchpoints)


@pytest.mark.broker
@pytest.mark.slow
def test_bigquery_and_duckdb_give_the_same_report(bigquery_client, house, tmp_path):
    """Every frame, row for row, of data with rows that came twice."""
    apply(bigquery_client, house)
    abandonments, told, touchpoints = made(1_500, seed=4)
    folder = exported(tmp_path / "parquet", abandonments, told, touchpoints)
    for start in range(0, len(abandonments), 500):
        insert(bigquery_client, house, "journey_abandonments", *abandonments[start : start + 500])
    insert(bigquery_client, house, "journey_lifecycle", *told)
    assert fill(bigquery_client, house, folder, [touchpoint_table()]).rows == {"journey_touchpoints": len(touchpoints)}
    ((raw,),) = query(bigquery_client, house, "SELECT COUNT(*) FROM `{d}.journey_abandonments`")
    assert raw == len(abandonments) > 1_500
    require_equal_reports(bigquery_client, house, folder, 30)
    here = ParquetWarehouse(folder)
    sql = (
        "SELECT dimension, value, outcome, mature, ROUND(share, 6), ROUND(share_high, 6) FROM `{d}.abandonment_shares`"
    )
    rows = query(bigquery_client, house, sql)
    assert rows == [tuple(row.values()) for row in here.ask(sql.replace("{d}", here.dataset))]
    assert len(rows) > 30


def require_equal_reports(client, house, folder, days):
    """Fail unless the emulator and DuckDB give the same report, of every frame some rows; gives it."""

    def ask(sql: str) -> list[dict[str, Any]]:
        return [dict(row.items()) for row in client.query(sql).result(timeout=60)]

    there = report_of(ask, house.path, days)
    here = analytics.report(days, folder=folder)
    assert (there.since, there.until) == (here.since, here.until)
    for name in (*(one.name for one in queries()), "after"):
        assert getattr(there, name).equals(getattr(here, name)), name
        assert len(getattr(here, name)) > 0
    return here


@pytest.mark.broker
@pytest.mark.slow
def test_the_demos_data_has_the_same_report_on_both(bigquery_client, house, tmp_path):
    """The clickstream and the generated journeys of `make demo`, whole: every frame, row for row."""
    lines = clickstream(load_mapping())
    first = next(lines)
    history = merge(arrivals(1, parse_instant(first["occurred_at"]), 160), chain([first], lines))
    records = list(map(parse_line, history))
    end = max(record.occurred_at for record in records) + 91 * DAY_MS
    effects = list(replay_unpunctuated(enumerate(records), until=end))
    abandonments = [one for each in effects for one in each.abandonments]
    told = [one for each in effects for one in each.lifecycle]
    touched = [one for one in records if isinstance(one, Touchpoint)]
    folder = exported(tmp_path / "parquet", abandonments, told, touched)
    apply(bigquery_client, house)
    loaded = fill(bigquery_client, house, folder, all_tables())
    assert list(loaded.rows.values()) == [len(abandonments), len(told), len(touched)]
    report = require_equal_reports(bigquery_client, house, folder, 366)
    assert report.abandonments == len(abandonments) > 1_000
    assert set(report.by_channel["channel"]) > {"organic", "paid_search", "email", "social", "direct"}


@pytest.mark.broker
@pytest.mark.slow
def test_the_analysts_queries_run_on_both(bigquery_client, house, tmp_path):
    """Each query of docs/analyst.md gives rows, and the same ones."""
    apply(bigquery_client, house)
    abandonments, told, touchpoints = made(300, seed=2)
    abandonments = [one._replace(user_id=f"u{number % 40}") for number, one in enumerate(abandonments)]
    folder = exported(tmp_path / "parquet", abandonments, told, touchpoints)
    fill(bigquery_client, house, folder, all_tables())
    here = ParquetWarehouse(folder)
    found = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "analyst.md").read_text("utf-8"), re.DOTALL)
    assert len(found) == 12
    for sql in found:
        rows = query(bigquery_client, house, sql.replace("DATASET", "{d}"))
        assert rows, sql
        assert rows == [tuple(row.values()) for row in here.ask(sql.replace("DATASET", here.dataset))], sql


def test_a_report_says_what_is_in_the_data(tmp_path):
    """Sums, rates and days, computed once more by hand; only the last 30 days count."""
    abandonments, told, touchpoints = made(800, seed=9)
    report = analytics.report(30, folder=exported(tmp_path / "parquet", abandonments, told, touchpoints))
    newest = max(one.abandoned_at for one in abandonments)
    kept = {one.abandonment_id: one for one in abandonments if one.abandoned_at >= newest + 1 - 30 * DAY}
    assert 0 < len(kept) < 800
    assert report.abandonments == len(kept)
    assert report.timeout_rate == sum(one.abandonment_reason == "TIMEOUT" for one in kept.values()) / len(kept)
    penalties = sum(one.total_penalty_micros for one in kept.values())
    assert report.average_penalty_micros == penalties / len(kept)
    channels = Counter(last_channel(one, touchpoints) for one in kept.values())
    assert dict(report.by_channel.select("channel", "abandonments").iter_rows()) == channels
    assert channels.keys() == {"search", "email", "social", "(none)"}
    for frame in (report.by_reason, report.by_state, report.by_day, report.by_channel, report.by_policy):
        assert frame["abandonments"].sum() == len(kept)
        assert frame["penalty_micros"].sum() == penalties if "penalty_micros" in frame.columns else True
    # What came after them has a test of its own; it goes back a horizon further, so that some of it is mature.
    by_reason = report.after.filter(dimension="reason", outcome="returned")
    assert by_reason["abandonments"].sum() == sum(
        one.abandoned_at >= report.since - 30 * DAY for one in unique(abandonments)
    )
    assert 0 < report.return_rate < 1
    assert report.by_day["day"].is_sorted()
    assert report.by_reason["penalty_micros"].is_sorted(descending=True)


def unique(abandonments):
    """Each abandonment once."""
    return {one.abandonment_id: one for one in abandonments}.values()


def last_channel(abandoned, touchpoints):
    """Channel of the touchpoint that an abandonment names as its last one, as the report calls it."""
    for one in touchpoints:
        if (one.journey_id, one.occurred_at) == (abandoned.journey_id, abandoned.last_touchpoint_at):
            return one.channel or "(none)"
    return "(none)"


@pytest.mark.slow
def test_the_pages_charts_have_the_data_in_a_real_browser(tmp_path):
    """A browser draws a bar for each reason, state, channel, policy and day, and loads nothing from anywhere."""
    try:
        program = browser()
    except NoBrowserError as error:
        pytest.skip(f"{left_out('browser')}: {error}")
    abandonments, told, touchpoints = made(800, seed=9)
    report = analytics.report(30, folder=exported(tmp_path / "parquet", abandonments, told, touchpoints))
    file = tmp_path / "report.html"
    file.write_text(page(report), "utf-8")
    document = asyncio.run(shown(program, file))
    bars = document.count('<g class="point">')
    charted = (report.by_reason, report.by_state, report.by_channel, report.by_policy, report.by_day)
    assert bars == sum(map(len, charted))
    for name in (*report.by_reason["abandonment_reason"], *report.by_channel["channel"], *report.by_policy[:, 0]):
        assert re.search(f"<text[^>]*>{re.escape(name)} *</text>", document), f"no bar is called {name}"
    assert f"<b>{report.abandonments:,}</b>" in document


class _Tags(HTMLParser):
    """Names of all tags and of all attributes of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


@pytest.mark.slow
def test_row_14_hostile_names_are_text_in_the_page(tmp_path):
    """`<a href=...>` as a channel was a link in the chart. Shown as they are; nothing is loaded, nothing else runs."""
    try:
        program = browser()
    except NoBrowserError as error:
        pytest.skip(f"{left_out('browser')}: {error}")
    report = analytics.report(30, folder=hostile_export(tmp_path / "parquet"))
    file = tmp_path / "report.html"
    file.write_text(page(report), "utf-8")
    document = asyncio.run(shown(program, file))
    charted = (report.by_reason, report.by_state, report.by_channel, report.by_policy, report.by_day)
    assert document.count('<g class="point">') == sum(map(len, charted)), "the policy keeps the charts from being drawn"
    rendered = re.sub(r"<script.*?</script>", "", document, flags=re.DOTALL)
    tags = _Tags()
    tags.feed(rendered)
    assert not tags.names & {"a", "img", "script", "iframe", "base", "form", "link", "object"}
    assert not [name for name in tags.attributes if name.startswith("on")]
    for text in HOSTILE.values():
        as_text = escape(printable(text), quote=False)
        assert rendered.count(f"<td>{as_text}</td>") == 4, "in a table of channels and of policies, and of shares"
        assert len(re.findall(rf"<text[^>]*>{re.escape(as_text)} *</text>", rendered)) == 2, f"no bar is called {text}"


def test_a_page_runs_its_own_scripts_only(tmp_path):
    """Its policy names each by its hash, and forbids all else."""
    made_page = page(analytics.report(30, folder=hostile_export(tmp_path / "parquet")))
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', made_page)
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", made_page, re.DOTALL)
    hashes = {f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts}
    assert set(parts.pop("script-src").split()) == hashes
    assert parts == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert made_page.index("Content-Security-Policy") < made_page.index("<title>")


def test_nothing_at_all_is_a_report_of_nothing(tmp_path):
    """No abandonment: no rate, no row, and a page all the same."""
    report = analytics.report(30, folder=exported(tmp_path / "parquet", [], []))
    assert (report.abandonments, report.timeout_rate, report.average_penalty_micros) == (0, None, None)
    assert isinstance(report.by_day, polars.DataFrame)
    assert "Abandoned journeys" in page(report)


@pytest.mark.slow
def test_the_command_shows_the_report_and_writes_its_page(tmp_path):
    """What the terminal shows is what Python is given, on a narrow one, too; the page is there."""
    folder = exported(tmp_path / "parquet", *made(800, seed=9))
    report = analytics.report(30, folder=folder)
    shown = tmp_path / "report.html"
    words = ["report", "--days", "30", "--folder", str(folder), "--html", str(shown)]
    for columns in ("200", "60"):
        done = subprocess.run(
            [sys.executable, "-m", "journeys.cli", *words],
            cwd=ROOT,
            env=os.environ | {"COLUMNS": columns},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert f"returned within 30 days: {report.return_rate:.1%} (" in done.stdout
        for count in (report.abandonments, *report.by_reason["abandonments"], *report.after["mature"]):
            assert f" {count:,} " in done.stdout
    assert shown.read_text("utf-8") == page(report)


def test_the_analysts_python_runs_as_it_stands(tmp_path, monkeypatch):
    """Where an export lies in its usual place."""
    exported(tmp_path / ".journeys" / "parquet", *made(100, seed=1))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "analyst.md").read_text("utf-8"), re.DOTALL)
    page_file = tmp_path / "page.py"
    page_file.write_text(block, "utf-8")
    assert len(runpy.run_path(str(page_file))["report"].by_reason) > 0


def test_without_an_export_the_command_says_how_to_make_one(tmp_path):
    """One line and exit code 2, no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "journeys.cli", "report", "--folder", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"journeys: {tmp_path} has no Parquet files: write them with journeys export --folder {tmp_path}"
    ]
