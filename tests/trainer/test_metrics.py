"""Figures as Prometheus scrapes them, over HTTP."""

import asyncio
import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from training_orchestrator import ConfigurationError, JourneyTimeoutManager, prometheus_metrics
from training_orchestrator.prometheus_metrics import ManagerMetrics, serve_metrics

from .documents import blocks


def scraped(port):
    """Samples by name and labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for line in lines if not line.startswith("#") for name, value in [line.rsplit(" ", 1)]}


def test_a_scrape_tells_what_happened(tmp_path):
    """Two ends, a late touchpoint, a duplicate and a refusal; and that the manager is gone when it is."""

    async def run():
        registry = CollectorRegistry()
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
            registry.register(ManagerMetrics(manager))
            server, thread = start_http_server(0, "127.0.0.1", registry)
            port = server.server_port
            await manager.register_journey("open")
            await manager.record_touchpoint("ended", cost=10, state="AWARE", touchpoint_id="t-1")
            await manager.record_touchpoint("ended", cost=10, touchpoint_id="t-1")
            penalty = await manager.mark_abandoned("ended", "USER_FATIGUE")
            ended = (await manager.abandonments(manager.present().replace(year=2000)))[0].abandoned_at
            await asyncio.gather(manager.mark_abandoned("ended"), return_exceptions=True)
            await manager.record_touchpoint("ended", touchpoint_id="t-2", occurred_at=ended)
            during = await asyncio.to_thread(scraped, port)
        after = await asyncio.to_thread(scraped, port)
        server.shutdown()
        thread.join()
        return penalty, during, after

    penalty, during, after = asyncio.run(run())
    assert during['journeys_abandonments_total{application="journeys",mode="embedded",reason="USER_FATIGUE"}'] == 1
    of = {
        name: during[f'{name}{{application="journeys",mode="embedded"}}']
        for name in ("journeys_active", "journeys_store_healthy")
    }
    assert of == {"journeys_active": 1, "journeys_store_healthy": 1}
    assert during['journeys_detection_delay_seconds_count{application="journeys",mode="embedded"}'] == 1
    assert during['journeys_held{application="journeys",mode="embedded"}'] == 2
    counted = {
        "journeys_penalty_dollars_total": penalty.total,
        "journeys_late_touchpoints_total": 1,
        "journeys_duplicates_total": 1,
        "journeys_refused_total": 1,
        "journeys_dead_letters_total": 0,
    }
    assert {name: during[f'{name}{{application="journeys",mode="embedded"}}'] for name in counted} == counted
    assert {name: value for name, value in after.items() if name.startswith("journeys_")} == {
        'journeys_store_healthy{application="journeys",mode="embedded"}': 0,
        'journeys_ready{application="journeys",mode="embedded"}': 0,
        'journeys_not_ready{application="journeys",mode="embedded",reason="stuck"}': 1,
    }


def test_the_lines_of_the_page_serve_a_manager(tmp_path, monkeypatch):
    """As docs/metrics.md has them, but at a free port: figures, and health that sees the store go."""
    monkeypatch.setattr(prometheus_metrics, "serve_metrics", lambda manager, **_: serve_metrics(manager, port=0))
    (lines,) = blocks("docs/metrics.md", "python")
    names = {}

    async def run():
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
            await manager.register_journey("open")
            exec(lines, names | {"manager": manager}, names)  # noqa: S102 - the page is part of this repository
            port = int(names["server"].address.rpartition(":")[2])
            during = await asyncio.to_thread(scraped, port), await asyncio.to_thread(status, port)
        deadline = asyncio.get_running_loop().time() + 20
        while (after := await asyncio.to_thread(status, port)) == during[1]:
            assert asyncio.get_running_loop().time() < deadline
        names["server"].close()
        return *during, after

    figures, during, after = asyncio.run(run())
    assert figures['journeys_active{application="journeys",mode="embedded"}'] == 1
    assert figures['journeys_ready{application="journeys",mode="embedded"}'] == 1
    assert during == (200, "ready\n")
    assert after[0] == 503
    assert "store: call start() first" in after[1]


def test_a_port_that_is_taken_is_said(tmp_path):
    """As any other setting that is not allowed."""

    async def run():
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
                serve_metrics(manager, port=other.getsockname()[1])

    with pytest.raises(ConfigurationError, match="can't be listened on for metrics"):
        asyncio.run(run())


def status(port):
    """Status and body of /ready."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
