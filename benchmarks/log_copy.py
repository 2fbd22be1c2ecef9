"""`python -m benchmarks.log_copy`: the input log copied from 4 partitions to 16, and back to 4, and compared.

A Kafka of its own holds a log of journeys with three touchpoints each, in the order of time, with a punctuation of each
partition every hour. Timed are the copy and the comparison, the replay of both logs in it. Figures go to
results/reshard.json.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.machine import describe_machine
from benchmarks.measure import fresh_kafka
from benchmarks.process_usage import peak_rss_mb
from benchmarks.results import RESULTS, described_run, write_results
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.logcopy.copy_check import compare_copy
from journeys.agents.logcopy.log_copy import copy_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.streams.compiled.engine_choice import load_engine

RESHARD = RESULTS / "reshard.json"
_TOUCHPOINTS = 3
_BEGIN = 1_760_000_000_000
_HOUR_MS = 3_600_000
_DAYS = 30
_SETTLED_MS = 400 * 24 * _HOUR_MS


def touchpoints(journeys: int) -> Iterator[Touchpoint]:
    """Touchpoints of so many journeys over a month, in the order of time."""
    chance = random.Random(1)
    count = journeys * _TOUCHPOINTS
    for number in range(count):
        at = _BEGIN + number * _DAYS * 24 * _HOUR_MS // count
        journey = f"journey-{chance.randrange(journeys):09d}"
        yield Touchpoint(journey, f"user-{number % 50_000}", f"t-{number}", at, "search", "click", "AWARE", 100_000)


async def _fill(settings: Settings, journeys: int) -> None:
    await create_topics(settings)
    async with RecordProducer(settings) as producer:
        clock = 0
        for touchpoint in touchpoints(journeys):
            if touchpoint.occurred_at - clock >= _HOUR_MS:
                clock = touchpoint.occurred_at
                await producer.send_to_all(Punctuation(clock, "simulated", "benchmark"))
            await producer.send(touchpoint)
        await producer.send_to_all(Punctuation(clock + _SETTLED_MS, "simulated", "benchmark"))


def _quiet(text: str) -> None:
    """Say nothing of the copy's remarks."""
    del text


async def _step(old: Settings, new: Settings) -> dict[str, Any]:
    """Copy and compare; seconds and counts."""
    engine = load_engine("auto")
    began = perf_counter()
    report = await copy_log(old, new, engine, _quiet)
    copied = perf_counter()
    compared = await compare_copy(old, new, engine, report)
    assert compared.ok, compared.differences
    return {
        "from": len(report.old_ends),
        "to": len(report.new_ends),
        "records": report.copied,
        "copy_seconds": round(copied - began, 1),
        "compare_seconds": round(perf_counter() - copied, 1),
        "abandonments_equal": compared.equal,
        "missing": compared.missing,
        "extra": compared.extra,
        "different": compared.different,
    }


def main(journeys: Annotated[int, typer.Option(help="Journeys of three touchpoints.")] = 1_000_000) -> None:
    """Measure, and keep the figures."""
    with fresh_kafka() as (servers, _):
        plain = Settings(_env_file=None, bootstrap_servers=servers)
        wide = plain.model_copy(update={"topic_prefix": "wide.", "partitions": 16})
        back = plain.model_copy(update={"topic_prefix": "back."})
        asyncio.run(_fill(plain, journeys))
        steps = [asyncio.run(_step(plain, wide)), asyncio.run(_step(wide, back))]
    figures = {"journeys": journeys, "steps": steps, "peak_rss_mb": peak_rss_mb("self")}
    write_results(described_run() | {"machine": describe_machine(), "figures": figures}, RESHARD)
    Console().print(figures)


if __name__ == "__main__":
    typer.run(main)
