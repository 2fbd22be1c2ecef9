"""Who gets in, and that nothing from outside becomes part of the page."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from journeys.schemas.instants import LATEST
from journeys.schemas.printable import printable
from tests.cli.console_script import journeys
from tests.fixtures.hostile import HOSTILE

from .test_views import base_of, cells, figures

pytestmark = pytest.mark.slow
VIEWS = ("/", "/journeys", "/journey?id=load-20-0000001", "/trust", "/static/page.js", "/no-view")


@pytest.mark.parametrize("view", VIEWS)
def test_without_the_token_there_is_nothing(address, view):
    """Nor with a wrong one, a wrong cookie, or under another host's name (which a page of somebody else's may have)."""
    base, token = address.split("/?token=")
    good = httpx.get(base, params={"token": token})
    assert good.status_code == 303
    assert "token" not in good.headers["location"]
    cookies = dict(good.cookies)
    (cookie,) = cookies
    refused = [
        httpx.get(base + view),
        httpx.get(base + view, params={"token": token[:-1]}),
        httpx.get(base + view, headers={"Cookie": f"{cookie}=é".encode()}),
        httpx.get(base + view, cookies=cookies, headers={"Host": "journeys.evil.test"}),
        httpx.get(base + view, params={"token": token}, headers={"Host": "journeys.evil.test"}),
    ]
    for answer in refused:
        assert answer.status_code == 403
        assert "load" not in answer.text
    taken = httpx.get(base + view, cookies=cookies)
    assert taken.status_code == (404 if view == "/no-view" else 200)
    policy = taken.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert httpx.post(base + view, cookies=cookies).status_code in (403, 404, 405)


def test_hostile_texts_are_text_everywhere(page, opened, tmp_path):
    """As ids, users, channels, segments; a journey of each is found, and its page shows it as it is."""
    lines = []
    for number, text in enumerate(HOSTILE.values()):
        touchpoint = {"journey_id": text, "user_id": text, "channel": text, "event_type": text, "segment": text}
        touchpoint |= {"touchpoint_id": f"t-{number}", "occurred_at": 1_760_000_000_000 + number, "cost": "1"}
        lines.append(json.dumps(touchpoint))
    (tmp_path / "hostile.jsonl").write_text("\n".join(lines), "utf-8")
    address = opened(tmp_path, "hostile.jsonl")
    page.goto(address)
    assert figures(page)["could not be taken"] == "0"
    page.goto(f"{base_of(address)}/journeys?view=due")
    assert {row[0] for row in cells(page, "#list")} == {printable(text).strip() for text in HOSTILE.values()}
    assert page.locator("script").count() == 1
    for text in HOSTILE.values():
        page.goto(f"{base_of(address)}/journey?id={quote(text)}")
        assert page.locator("h1").inner_text() == printable(text)
        assert page.locator("main a, main img, main script").count() == 0
        page.goto(f"{base_of(address)}/journeys?q={quote(text)}&reason={quote(text)}")
        assert page.locator("main script, main img").count() == 0


def test_strange_questions_have_an_answer(address):
    """What is no number, too long, or no text at all: a page that says so, never an error of the server's."""
    base = base_of(address)
    cookies = dict(httpx.get(address).cookies)
    for view, status in {
        "/journeys?page=-1": 200,
        "/journeys?page=99999999999999999999": 200,
        "/journeys?view=none&q=%ED%A0%80%00": 200,
        "/journeys?q=" + "a" * 5_000: 400,
        "/journey?id=load-20-0000001&hours=1e999999999": 400,
        "/journey?id=load-20-0000001&hours=0": 400,
        "/journey?id=load-20-0000001&days=nan": 400,
        "/journey?id=load-20-0000001&hours=24,48": 400,
        "/journey?id=%FF": 404,
    }.items():
        assert httpx.get(base + view, cookies=cookies).status_code == status, view


def dashboard_of(opened, page, folder: Path, lines: list[object]) -> str:
    """Open a dashboard over lines; gives its address without token."""
    (folder / "some.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    address = opened(folder, "some.jsonl")
    page.goto(address)
    return base_of(address)


def test_nothing_yet_and_broken_say_so(page, opened, tmp_path):
    """A file without a record says that there is none, and why; no view fails."""
    base = dashboard_of(opened, page, tmp_path, [{"journey_id": ""}])
    assert "Nothing is here yet" in page.locator("main").inner_text()
    page.click("text=see why")
    assert "journey_id" in cells(page, "#faults")[0][0]
    for view in ("/journeys", "/journeys?view=due", "/journeys?q=a"):
        page.goto(base + view)
        assert page.locator(".empty").count() == 1


def test_the_longest_id_and_the_latest_time_fit(page, opened, tmp_path):
    """An id of 1,000 characters on a small screen; a clock that stands in the year 8999."""
    long = "x" * 1_000
    base = dashboard_of(
        opened,
        page,
        tmp_path,
        [
            {"journey_id": long, "touchpoint_id": "t", "occurred_at": LATEST - 1, "cost": "1000000000"},
            {"journey_id": "y", "touchpoint_id": "t", "occurred_at": LATEST - 1},
        ],
    )
    page.set_viewport_size({"width": 390, "height": 800})
    for view in ("/", "/journeys?view=due", f"/journey?id={long}"):
        page.goto(base + view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, view
        assert "8999-12-31" in page.locator("main").inner_text() or view != "/"


def test_what_is_missing_is_said_on_the_command_line(tmp_path):
    """No history, two of them, another address than loopback without TLS: exit code 2."""
    for arguments, said in (
        (("--map", "x.toml"), "--map is for history in files"),
        (("--bootstrap-servers", "127.0.0.1:9"), "127.0.0.1:9"),
        (("no-such.jsonl",), "no-such.jsonl"),
        (("a.jsonl", "--store", "b"), "one of the two"),
        (("a.jsonl", "--host", "0.0.0.0"), "--tls-cert"),  # noqa: S104
        (("--store", "none.sqlite3"), "no such store"),
    ):
        done = journeys("dashboard", *arguments, cwd=tmp_path)
        assert done.returncode == 2, (arguments, done.stderr)
        assert said in done.stderr
