"""What a real worker and managers are scraped for is what docs/metrics.md says, name by name."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import Raw, touch, write
from training_orchestrator import JourneyTimeoutManager
from training_orchestrator.prometheus_metrics import serve_metrics

from .topic_exchange import append
from .worker_process import WorkerProcess

ROOT = Path(__file__).parents[2]
_PARTS = ("_bucket", "_count", "_sum", "_created")
_COLUMNS = {"worker": 2, "embedded": 3, "connected": 4}
NOWHERE = "redis://127.0.0.1:1/0"


def documented(mode: str) -> set[str]:
    """Names that the page gives to a way of running."""
    rows = [
        line.split("|")[1:-1] for line in (ROOT / "docs/metrics.md").read_text().splitlines() if "`journeys_" in line
    ]
    rows = [row for row in rows if len(row) == 6]
    found = {name for row in rows if row[_COLUMNS[mode]].strip() for name in re.findall(r"`(journeys_\w+)`", row[0])}
    return found - {"journeys_not_ready"}  # of one that is ready


def scraped(url: str) -> dict[str, float]:
    """Samples by name and labels."""
    with urlopen(url, timeout=10) as answer:  # noqa: S310  (an address that the worker has told)
        lines = answer.read().decode().splitlines()
    return {name: float(value) for line in lines if not line.startswith("#") for name, value in [line.rsplit(" ", 1)]}


def names(samples: dict[str, float], mode: str) -> set[str]:
    """Metrics of a scrape, all of which have the label of their way of running."""
    own = [sample for sample in samples if sample.startswith("journeys_")]
    assert all(f'mode="{mode}"' in sample for sample in own)
    found = set()
    for sample in own:
        name = sample.split("{")[0]
        part = next((part for part in _PARTS if name.endswith(part) and "delay" in name), "")
        found.add(name.removesuffix(part))
    return found


async def scraped_manager(manager: JourneyTimeoutManager) -> dict[str, float]:
    """Scrape a manager over HTTP, as Prometheus does."""
    with serve_metrics(manager) as server:
        assert await asyncio.to_thread(status, f"{server.address}/ready") == (200, "ready\n")
        return await asyncio.to_thread(scraped, f"{server.address}/metrics")


def status(url: str) -> tuple[int, str]:
    """Status and body of an answer."""
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310  (as above)
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_an_embedded_manager_says_what_the_page_says(tmp_path):
    """With a Redis that is not there, whose breaker has a state all the same."""

    async def run() -> dict[str, float]:
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3", redis_url=NOWHERE) as manager:
            await manager.record_touchpoint("a", cost=10)
            await manager.mark_abandoned("a")
            return await scraped_manager(manager)

    assert names(asyncio.run(run()), "embedded") == documented("embedded")


@pytest.mark.broker
@pytest.mark.slow
def test_a_worker_says_what_the_page_says(broker, workers):
    """Its own names and those of a manager that is connected; each figure as it must be after a handful of records."""
    settings = emptied(broker)
    worker = workers.start(settings, metrics_port=0)
    worker.wait_until_logged("metrics at")
    (url,) = re.findall(r"metrics at (http://\S+/metrics)", worker.log)
    live, ready = url.replace("metrics", "live"), url.replace("metrics", "ready")
    assert status(live) == (200, "live\n")
    code, reasons = status(ready)
    assert code == 503, "it can't be ready at once"
    assert reasons.startswith(("not ready\nstarting: ", "not ready\njoining: ", "not ready\nrestoring: "))
    worker.wait_until_logged("restored")
    workers.wait_until(lambda: status(ready) == (200, "ready\n"), "it did not get ready")

    async def exchange() -> dict[str, float]:
        servers = settings.bootstrap_servers
        async with JourneyTimeoutManager(bootstrap_servers=servers, redis_url=NOWHERE) as manager:
            await manager.register_journey("open")
            await manager.record_touchpoint("ended", cost=10, touchpoint_id="t-1")
            await manager.record_touchpoint("ended", cost=10, touchpoint_id="t-1")
            await manager.mark_abandoned("ended")
            await asyncio.gather(manager.mark_abandoned("ended"), return_exceptions=True)
            return await scraped_manager(manager)

    connected = asyncio.run(exchange())
    append(settings, touch("ended", 2, 0)._replace(occurred_at=now_ms() - 60_000))
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, 0, b"a", b"garbage")]))
    workers.wait_until_applied(settings)
    workers.wait_until(lambda: names(scraped(url), "worker") >= {"journeys_clock_lag_seconds"}, "no time was told")
    workers.wait_until(lambda: value(scraped(url), "journeys_dead_letters_total") == 1, "no dead letter was counted")
    found = scraped(url)
    assert names(found, "worker") == documented("worker")
    assert names(connected, "connected") == documented("connected")
    assert {name: value(found, name) for name in EXPECTED} == EXPECTED
    assert found['journeys_abandonments_total{application="journeys",mode="worker",reason="MANUAL_TERMINATION"}'] == 1
    assert value(found, "journeys_penalty_dollars_total") == value(connected, "journeys_penalty_dollars_total") > 0
    lags = {sample: lag for sample, lag in found.items() if sample.startswith("journeys_lag_records")}
    assert set(lags.values()) == {0}
    ours = [int(sample.split('partition="')[1].rstrip('"}')) for sample in found if "partition_owned" in sample]
    assert (ours, value(found, "journeys_input_partitions")) == ([0, 1, 2, 3], 4)
    assert status(url.replace("metrics", "debug"))[0] == 404
    worker.stop()


EXPECTED = {
    "journeys_store_healthy": 1,
    "journeys_active": 1,
    "journeys_held": 2,
    "journeys_applied_total": 3,
    "journeys_duplicates_total": 1,
    "journeys_refused_total": 1,
    "journeys_late_touchpoints_total": 1,
    "journeys_dead_letters_total": 1,
    "journeys_forgotten_total": 0,
    "journeys_cleanup_lag_seconds": 0,
    "journeys_timeout_share": 0,
    "journeys_restoring": 0,
    "journeys_restore_remaining_records": 0,
    "journeys_detection_delay_seconds_count": 1,
    "journeys_memory_limit_reached": 0,
}


def value(samples: dict[str, float], name: str) -> float:
    """Of a metric without labels of its own."""
    return next(
        found
        for sample, found in samples.items()
        if re.match(rf"{name}{{application=\"journeys\",mode=\"\w+\"}}$", sample)
    )


def test_a_port_that_is_taken_ends_the_worker_with_what_to_set(tmp_path):
    """Before it asks Kafka for anything: exit code 2, and what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        worker = WorkerProcess(
            Settings(_env_file=None, bootstrap_servers="127.0.0.1:1"), tmp_path / "w", "w", metrics_port=port
        )
        try:
            assert worker.exit_code() == 2
        finally:
            worker.tidy()
    assert f"127.0.0.1:{port} can't be listened on for metrics (Address already in use)" in worker.log
    assert "JOURNEYS_METRICS_PORT" in worker.log
