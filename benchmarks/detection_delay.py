"""`python -m benchmarks.detection_delay`: from a deadline and its grace to an abandonment that a consumer has read.

A worker in real time, under a steady load of touchpoints from a process of its own. Journeys with a short inactivity
threshold fall silent all the while; a consumer notes when it has their abandonments. The processes share one clock.
Figures go to results/detection_delay.json.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from time import sleep, time
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaConsumer
from rich.console import Console

from benchmarks.machine import describe_machine
from benchmarks.measure import fresh_kafka, running
from benchmarks.process_usage import ProcessUsage
from benchmarks.results import RESULTS, described_run, write_results
from journeys.agents.kafka.connection import client_options, producer
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import JourneyAbandoned, JourneyRegistered, Touchpoint
from journeys.schemas.topics import DEFAULT_PARTITION_COUNT, JOURNEY_ABANDONMENTS, JOURNEY_EVENTS, MAX_MESSAGE_BYTES

DELAY = RESULTS / "detection_delay.json"
_INACTIVITY_MS = 2_000
_GRACE_MS = 1_000
_SILENT_EVERY_SECONDS = 0.02
_LOAD_JOURNEYS = 100_000
_TURN_SECONDS = 0.05
_BATCH_BYTES = 512 * 1024
_TARGET_BEHIND_INTERVAL_MS = 250
_POLICY = f'version = "delay-1"\n[deadlines]\ngrace_seconds = {_GRACE_MS / 1_000}\n'


async def load(settings: Settings, per_second: int) -> None:
    """Append touchpoints at a steady rate until somebody ends this process."""
    codec = Codec()
    count = int(per_second * _TURN_SECONDS)
    homes = [partition_of(f"load-{number}".encode(), DEFAULT_PARTITION_COUNT) for number in range(_LOAD_JOURNEYS)]
    number = 0
    async with producer(settings, max_batch_size=_BATCH_BYTES, max_request_size=MAX_MESSAGE_BYTES) as client:
        due = time()
        while True:
            batches = [client.create_batch() for _ in range(DEFAULT_PARTITION_COUNT)]
            now = now_ms()
            touchpoints = [
                Touchpoint(f"load-{at % _LOAD_JOURNEYS}", "user", f"t-{at}", now, state="AWARE", cost_micros=10_000)
                for at in range(number, number + count)
            ]
            for at, value in enumerate(codec.encode_all(touchpoints), start=number):
                key = touchpoints[at - number].journey_id.encode()
                assert batches[homes[at % _LOAD_JOURNEYS]].append(key=key, value=value, timestamp=None) is not None
            number += count
            sent = [
                await client.send_batch(batch, JOURNEY_EVENTS, partition=partition)
                for partition, batch in enumerate(batches)
                if batch.record_count()
            ]
            await asyncio.gather(*sent)
            due += _TURN_SECONDS
            await asyncio.sleep(max(0.0, due - time()))


async def _silent_journeys(settings: Settings, seconds: float) -> int:
    """Register journeys one after the other, each of which falls silent at once; gives how many."""
    until = time() + seconds
    count = 0
    async with RecordProducer(settings) as client:
        while time() < until:
            await client.send(JourneyRegistered(f"silent-{count}", "user", now_ms(), inactivity_ms=_INACTIVITY_MS))
            count += 1
            await asyncio.sleep(_SILENT_EVERY_SECONDS)
    return count


async def _delays_ms(settings: Settings, seconds: float, warm_up_seconds: float) -> list[float]:
    """Delays of abandonments as they are read, those of the first seconds left out."""
    codec = Codec()
    delays: list[float] = []
    options = await client_options(settings)
    consumer = AIOKafkaConsumer(JOURNEY_ABANDONMENTS, **options, auto_offset_reset="earliest", fetch_max_wait_ms=50)
    await consumer.start()
    try:
        begins_at, ends_at = time() + warm_up_seconds, time() + seconds
        while time() < ends_at:
            for records in (await consumer.getmany(timeout_ms=50)).values():
                read_at = now_ms()
                for record in records:
                    abandonment = codec.decode(record.value)
                    assert isinstance(abandonment, JourneyAbandoned)
                    if abandonment.journey_id.startswith("silent-") and read_at > begins_at * 1_000:
                        delays.append(read_at - abandonment.abandoned_at - _GRACE_MS)
    finally:
        await consumer.stop()
    return delays


async def _measure(settings: Settings, seconds: float) -> list[float]:
    silent, delays = await asyncio.gather(
        _silent_journeys(settings, seconds), _delays_ms(settings, seconds, warm_up_seconds=8.0)
    )
    assert silent > len(delays) > 0
    return delays


def _run(per_second: int, seconds: float) -> dict[str, Any]:
    with fresh_kafka() as (servers, folder):
        settings = Settings(_env_file=None, bootstrap_servers=servers)
        asyncio.run(create_topics(settings))
        policy = folder / "policy.toml"
        policy.write_text(_POLICY, "utf-8")
        log = folder / "worker.log"
        worker = [sys.executable, "-m", "journeys.cli", "worker"]
        loader = [sys.executable, "-m", "benchmarks.detection_delay", "--load", str(per_second)]
        with (
            running(worker, servers, folder, log, {"JOURNEYS_POLICY": str(policy)}) as process,
            ProcessUsage(process.pid) as usage,
        ):
            _wait_for(log, "restored:", process)
            with running(loader, servers, folder, folder / "load.log") as load_process:
                began = time()
                delays = asyncio.run(_measure(settings, seconds))
                ended = time()
                assert load_process.poll() is None, (folder / "load.log").read_text("utf-8")[-2_000:]
            cpu_share = (usage.cpu_seconds_at(ended - 0.1) - usage.cpu_seconds_at(began + 0.1)) / (ended - began)
    centiles = quantiles(delays, n=100, method="inclusive")
    return {
        "touchpoints_per_s": per_second,
        "abandonments": len(delays),
        "median_ms": round(median(delays)),
        "p99_ms": round(centiles[98]),
        "max_ms": round(max(delays)),
        "worker_cpu_share": round(cpu_share, 2),
        "load_average": os.getloadavg()[0],
    }


def _wait_for(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    while text not in log.read_text("utf-8", errors="replace"):
        assert process.poll() is None, log.read_text("utf-8", errors="replace")[-2_000:]
        sleep(0.05)


def main(
    load_per_second: Annotated[int | None, typer.Option("--load", hidden=True)] = None,
    rates: Annotated[str, typer.Option(help="Touchpoints a second, by comma.")] = "1000,20000,40000",
    seconds: Annotated[float, typer.Option(min=15, help="Length of each run.")] = 40.0,
) -> None:
    """Measure detection delays under each load, and write the figures down."""
    if load_per_second is not None:
        asyncio.run(load(Settings(_env_file=None), load_per_second))
        return
    console = Console()
    found: list[dict[str, Any]] = []
    for rate in _rates(rates):
        found.append(_run(rate, seconds))
        console.print(found[-1])
    interval_ms = Settings(_env_file=None).punctuation_interval_seconds * 1_000
    write_results(
        described_run()
        | {
            "machine": describe_machine(),
            "punctuation_interval_ms": interval_ms,
            "target_p99_ms": interval_ms + _TARGET_BEHIND_INTERVAL_MS,
            "runs": found,
        },
        DELAY,
    )


def _rates(text: str) -> Sequence[int]:
    return [int(rate) for rate in text.split(",")]


if __name__ == "__main__":
    typer.run(main)
