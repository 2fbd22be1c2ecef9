"""The views in a real browser: their figures are those of an independent query of the same data."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.cli.console_script import journeys

pytestmark = pytest.mark.slow
VIEWS = ("/", "/journeys", "/journeys?view=returned", "/journeys?view=due", "/journeys?q=load", "/trust")


def base_of(address: str) -> str:
    """The address without its token."""
    return address.partition("/?")[0]


def figures(page: Page) -> dict[str, str]:
    """Names and values of the figures on a page."""
    return {one.locator("span").inner_text(): one.locator("b").inner_text() for one in page.locator(".figure").all()}


def cells(page: Page, table: str) -> list[list[str]]:
    """Texts of a table's rows."""
    rows = page.locator(f"{table} tbody tr").all()
    return [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]


def dollars(micros: int) -> str:
    """As people read them."""
    return f"${micros / 1_000_000:,.2f}"


def ask(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask DuckDB about the files of a folder, which are named {input}, {ends} and {told}."""
    names = {"input": "history.jsonl", "ends": "abandonments.jsonl", "told": "lifecycle.jsonl"}
    paths = {name: f"read_json('{folder / file}', format='newline_delimited')" for name, file in names.items()}
    return duckdb.sql(sql.format(**paths)).fetchall()


def test_now_has_the_figures_of_an_independent_query(page, address, history):
    """Counts and sums of the input and of what a replay made of it; each reason with its penalty."""
    page.goto(address)
    shown = figures(page)
    ((records, journeys_seen),) = ask(history, "SELECT count(*), count(DISTINCT journey_id) FROM {input}")
    ((ends, penalty),) = ask(history, "SELECT count(*), sum(total_penalty_micros) FROM {ends}")
    told = dict(ask(history, "SELECT kind, count(*) FROM {told} GROUP BY 1"))
    assert shown["abandonments"] == f"{ends:,}"
    assert shown["penalty of all"] == dollars(penalty)
    assert shown["conversions"] == f"{told['converted']:,}"
    assert shown["came back so far"] == f"{told['returned']:,}"
    assert shown["late touchpoints"] == f"{told.get('late_touchpoint', 0):,}"
    assert shown["open journeys"] == f"{told['started'] + told['returned'] - told['converted'] - ends:,}"
    assert f"{records:,} records of {journeys_seen:,} journeys" in page.locator("main").inner_text()
    by_reason = ask(
        history,
        "SELECT abandonment_reason, count(*) AS n, sum(total_penalty_micros) FROM {ends} GROUP BY 1 ORDER BY n DESC",
    )
    rows = cells(page, "#reasons")
    assert [[row[0], row[1], row[3]] for row in rows] == [[r, f"{n:,}", dollars(m)] for r, n, m in by_reason]


def test_the_costliest_are_the_costliest_and_a_filter_is_a_link(page, address, history):
    """The first fifty by penalty; with a reason chosen, those of it; the URL says all of it."""
    page.goto(address)
    page.click("nav >> text=Journeys")
    query = "SELECT journey_id, total_penalty_micros FROM {ends} WHERE {where} ORDER BY 2 DESC, abandonment_id LIMIT 50"
    expected = ask(history, query.replace("{where}", "true"))
    assert [row[:2] for row in cells(page, "#list")] == [[name, dollars(micros)] for name, micros in expected]
    page.click(".filters >> text=TIMEOUT")
    assert "reason=TIMEOUT" in page.url
    expected = ask(history, query.replace("{where}", "abandonment_reason = 'TIMEOUT'"))
    page.goto(page.url)
    assert [row[:2] for row in cells(page, "#list")] == [[name, dollars(micros)] for name, micros in expected]


def test_a_journey_is_found_by_the_beginning_of_its_user(page, address, history):
    """All journeys of a user, and with a beginning more; each link leads to its journey."""
    ((user,),) = ask(history, "SELECT user_id FROM {input} GROUP BY 1 ORDER BY count(DISTINCT journey_id) DESC LIMIT 1")
    page.goto(address)
    page.goto(f"{base_of(address)}/journeys")
    page.fill("#q", user)
    page.click("button")
    expected = ask(history, f"SELECT DISTINCT journey_id FROM {{input}} WHERE user_id = '{user}' ORDER BY 1")
    assert sorted([row[0]] for row in cells(page, "#list")) == [[name] for (name,) in expected]
    page.click("#list a")
    assert page.locator("h1").inner_text() == expected[0][0]


def test_the_time_machine_replays_what_the_slider_says(page, address, history, tmp_path):
    """The edited line has the ends and the penalty of `journeys replay` under that threshold."""
    ((name,),) = ask(history, "SELECT journey_id FROM {ends} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    page.goto(address)
    page.goto(f"{base_of(address)}/journey?id={quote(name)}")
    before = ask(history, f"SELECT count(*), sum(total_penalty_micros) FROM {{ends}} WHERE journey_id = '{name}'")
    present = cells(page, "#others")[0]
    assert (present[2], present[5]) == (str(before[0][0]), dollars(before[0][1]))
    with page.expect_response(re.compile("hours=10")):
        page.locator("#slider").fill("10")
    page.wait_for_selector("#others .edited")
    policy = tmp_path / "ten.toml"
    policy.write_text('version = "ten"\n[deadlines]\ninactivity_hours = 10\n')
    output = tmp_path / "abandonments.jsonl"
    journeys("replay", "history.jsonl", "--policy", str(policy), "--output", str(output), cwd=history)
    after = ask(tmp_path, f"SELECT count(*), sum(total_penalty_micros) FROM {{ends}} WHERE journey_id = '{name}'")
    assert after[0][0] > before[0][0]
    edited = cells(page, "#others")[1]
    assert (edited[2], edited[5]) == (str(after[0][0]), dollars(after[0][1]))
    assert "hours=10" in page.url
    page.goto(page.url)  # a URL says all of what is seen
    assert cells(page, "#others")[1] == edited


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_every_view_is_accessible_and_fits_its_screen(chromium, address, history, scheme, width):
    """Axe finds no violation up to level AA; nothing scrolls sideways but tables within their frames."""
    ((name,),) = ask(history, "SELECT journey_id FROM {ends} ORDER BY total_penalty_micros DESC LIMIT 1")
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    for view in (*VIEWS, f"/journey?id={quote(name)}&hours=10", "/journey?id=unknown", "/no-view"):
        page.goto(base_of(address) + view)
        found = Axe().run(page, options=options)
        assert not found.response["violations"], (view, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
    context.close()
