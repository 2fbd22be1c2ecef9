"""Figures as Prometheus scrapes them, over HTTP."""

import asyncio
from urllib.request import urlopen

import prometheus_client
from prometheus_client import CollectorRegistry, start_http_server

from training_orchestrator import JourneyTimeoutManager
from training_orchestrator.prometheus_metrics import ManagerMetrics

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
    assert during['journeys_abandonments_total{mode="embedded",reason="USER_FATIGUE"}'] == 1
    of = {name: during[f'{name}{{mode="embedded"}}'] for name in ("journeys_active", "journeys_store_healthy")}
    assert of == {"journeys_active": 1, "journeys_store_healthy": 1}
    assert during['journeys_detection_delay_seconds_count{mode="embedded"}'] == 1
    assert during['journeys_held{mode="embedded"}'] == 2
    counted = {
        "journeys_penalty_dollars_total": penalty.total,
        "journeys_late_touchpoints_total": 1,
        "journeys_duplicates_total": 1,
        "journeys_refused_total": 1,
        "journeys_dead_letters_total": 0,
    }
    assert {name: during[f'{name}{{mode="embedded"}}'] for name in counted} == counted
    assert {name: value for name, value in after.items() if name.startswith("journeys_")} == {
        'journeys_store_healthy{mode="embedded"}': 0
    }


def test_the_lines_of_the_page_serve_a_manager(tmp_path, monkeypatch):
    """As docs/metrics.md has them, but at a free port, and with a registry of the test's own."""
    registry, served = CollectorRegistry(), []

    def serve(port, host):
        assert (port, host) == (9100, "127.0.0.1")
        served.append(start_http_server(0, host, registry))

    monkeypatch.setattr(prometheus_client, "REGISTRY", registry)
    monkeypatch.setattr(prometheus_client, "start_http_server", serve)
    (lines,) = blocks("docs/metrics.md", "python")

    async def run():
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
            await manager.register_journey("open")
            exec(lines, {"manager": manager})  # noqa: S102 - the page is part of this repository
            ((server, thread),) = served
            try:
                return await asyncio.to_thread(scraped, server.server_port)
            finally:
                server.shutdown()
                thread.join()

    assert asyncio.run(run())['journeys_active{mode="embedded"}'] == 1
