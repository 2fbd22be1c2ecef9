"""The page over a live Kafka: it follows what a worker does, and says when there is none."""

import json
from urllib.parse import quote

import pytest

from journeys.clock import now_ms
from tests.cli.console_script import journeys
from tests.fixtures.fresh_kafka import emptied
from tests.live.worker_process import Workers

from .test_views import base_of, cells, figures

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def lines(count: int) -> str:
    """Touchpoints of now, one for each journey, a dollar each."""
    made = (
        {"journey_id": f"live-{n}", "touchpoint_id": "t", "occurred_at": now_ms(), "cost": "1", "state": "INTENT"}
        for n in range(count)
    )
    return "".join(f"{json.dumps(line)}\n" for line in made)


@pytest.fixture(scope="module")
def live(broker, tmp_path_factory):
    """Settings of a Kafka with a worker on live time, and the worker. Comes before the browser: it uses asyncio.run."""
    settings = emptied(broker)
    with Workers(tmp_path_factory.mktemp("workers")) as workers:
        worker = workers.start(settings)
        worker.wait_until_logged("restored: partitions [")
        yield settings, worker


def test_now_follows_what_a_worker_does(live, page, opened, tmp_path):
    """Open journeys before any is abandoned; what comes while it is looked at; an end by hand; no worker."""
    settings, worker = live
    servers = ("--bootstrap-servers", settings.bootstrap_servers)

    def run(*arguments, **more):
        done = journeys(*arguments, *servers, cwd=tmp_path, **more)
        assert done.returncode == 0, done.stderr

    run("produce", "-", input=lines(30))
    address = opened(tmp_path, *servers)
    page.goto(address)
    page.locator(".figure", has_text="open journeys").filter(has_text="30").wait_for()
    assert figures(page)["spent on them: at risk"] == "$30.00"
    page.locator(".figure", has_text="workers").filter(has_text="1").wait_for()
    run("produce", "-", input=lines(31))
    page.locator(".figure", has_text="open journeys").filter(has_text="31").wait_for()
    run("abandon", "live-7", "--note", "asked to")
    page.locator(".figure", has_text="abandonments").filter(has_text="1").wait_for()
    assert {row[2] for row in cells(page, "#partitions")} <= {"0", "1", "never applied"}
    page.goto(f"{base_of(address)}/journey?id={quote('live-7')}")
    assert "it was ended by hand" in page.locator("#why").inner_text()
    present = cells(page, "#others")[0]
    assert present[2] == "1"
    page.goto(f"{base_of(address)}/trust")
    page.click("button")
    for _ in range(200):
        page.goto(f"{base_of(address)}/trust")
        if page.locator("#verdict").count():
            break
    assert "nothing is missing" in page.locator("#verdict").inner_text()
    worker.stop()
    page.goto(base_of(address))
    page.get_by_text("None is at work").wait_for(timeout=60_000)
