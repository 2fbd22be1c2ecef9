"""`python -m benchmarks.growth`: one partition as its journeys grow, in one process without Kafka.

Of each engine and size: CPU time of a touchpoint from wire bytes to its row's wire bytes, of journeys picked at random;
memory of an open journey; a punctuation with nothing due; and 100,000 journeys due at once. Each case has a process of
its own. Figures go to results/growth.json.
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from statistics import median
from time import perf_counter, process_time
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe_machine
from benchmarks.open_journeys import open_row
from benchmarks.results import RESULTS, described_run, write_results
from journeys.agents.worker.flusher import BATCH_BYTES
from journeys.schemas.codec import Codec
from journeys.schemas.records import Punctuation, Touchpoint
from journeys.streams.compiled.encoded_messages import EncodedMessages
from journeys.streams.compiled.engine_choice import Engine, EngineSetting, load_engine
from journeys.streams.partition.changelog import outputs_by_topic, stored_partition, stored_rows
from journeys.streams.partition.effects import Effects
from journeys.streams.partition.protocols import JourneyProcessor
from journeys.streams.rule.policy import DEFAULT_POLICY
from journeys.streams.rule.row import stored_columns

GROWTH = RESULTS / "growth.json"
_NOW = 1_760_000_000_000
_BATCH = 10_000
_BATCHES = 20
_CHUNK = 50_000
_DUE = 100_000
_PUNCTUATIONS = 101
_CODEC = Codec()
_SIZES = {"compiled": (10_000, 1_000_000, 5_000_000), "reference": (10_000, 1_000_000)}


class _Record:
    """A record as aiokafka's C code gives it: attributes, no tuple."""

    __slots__ = ("key", "offset", "timestamp", "timestamp_type", "value")

    def __init__(self, offset: int, key: bytes | None, value: bytes) -> None:
        self.offset, self.key, self.value = offset, key, value
        self.timestamp, self.timestamp_type = _NOW, 0


def _journey(number: int) -> str:
    return f"journey-{number:012d}"


def filled(engine: Engine, count: int) -> JourneyProcessor:
    """Processor of a partition with so many open journeys."""
    processor = engine.processor(0, 1, _CODEC)
    partition = processor.partition
    for begin in range(0, count, _CHUNK):
        rows = [open_row(number, _NOW) for number in range(begin, min(begin + _CHUNK, count))]
        values = _CODEC.encode_columns("JourneyRow", stored_columns(rows))
        partition.keep_stored(zip((row.journey_id for row in rows), values, strict=True), _CODEC)
    partition.applied_offset = count
    return processor


def batches(count: int, offset: int) -> Iterator[list[_Record]]:
    """Touchpoints of journeys picked at random, none twice in a batch where there are enough."""
    chance = random.Random(count)
    for batch in range(_BATCHES):
        journeys = [_journey(number) for number in chance.sample(range(count), min(_BATCH, count))]
        at = _NOW + 2_000 + batch
        touchpoints = [
            Touchpoint(journey_id, "user", f"t-{batch}-{place}", at, state="INTENT", cost_micros=10_000)
            for place, journey_id in enumerate(journeys)
        ]
        yield [
            _Record(offset + place, touchpoint.journey_id.encode(), value)
            for place, (touchpoint, value) in enumerate(
                zip(touchpoints, _CODEC.encode_all(touchpoints), strict=True), start=1
            )
        ]
        offset += len(journeys)


def flush(processor: JourneyProcessor, effects: Effects) -> int:
    """Make what a flush sends, of the engine whole record batches; gives its records."""
    sent = len([stored_partition(processor.partition, _CODEC)])
    for records in (*outputs_by_topic(effects, _CODEC).values(), stored_rows(effects, _CODEC)):
        sent += len(records)
        begin = 0
        while isinstance(records, EncodedMessages) and begin < len(records):
            _, begin = records.record_batch(begin, BATCH_BYTES, _NOW)
    return sent


def _punctuate(processor: JourneyProcessor, at: int) -> float:
    """Seconds of one punctuation, with what it brings about."""
    partition = processor.partition
    record = _Record(partition.applied_offset + 1, None, _CODEC.encode(Punctuation(at, "simulated")))
    began = perf_counter()
    flush(processor, processor.process_log([record], _CODEC))
    return perf_counter() - began


def case(name: EngineSetting, count: int) -> dict[str, Any]:
    """Figures of one engine and size, in this process."""
    engine = load_engine(name)
    gc.freeze()
    gc.disable()
    process = psutil.Process()
    filled(engine, _CHUNK)  # so that what one chunk of them leaves behind is not taken for theirs
    before = process.memory_info().rss
    processor = filled(engine, count)
    gc.collect()
    bytes_each = (process.memory_info().rss - before) / count
    _punctuate(processor, _NOW)
    seconds: list[float] = []
    for batch in batches(count, processor.partition.applied_offset):
        began = process_time()
        flush(processor, processor.process_log(batch, _CODEC))
        seconds.append((process_time() - began) / len(batch))
    quiet = [_punctuate(processor, _NOW + number) for number in range(_PUNCTUATIONS)]
    figures = {
        "engine": name,
        "open_journeys": count,
        "us_per_touchpoint": round(median(seconds) * 1e6, 2),
        "bytes_per_open_journey": round(bytes_each),
        "quiet_punctuation_ms": round(median(quiet) * 1e3, 3),
    }
    if count >= 1_000_000:
        figures["due_at_once_per_s"] = round(_fire(processor))
    return figures


def _fire(processor: JourneyProcessor) -> float:
    """Journeys a second that one punctuation abandons, of those that no touchpoint has moved."""
    # open_row spreads beginnings evenly over a million ms, so the first tenth of them makes the first deadlines.
    last_started_at = _NOW - 1_000_000
    share = _DUE / len(processor.partition.rows)
    at = last_started_at + 1_000 + DEFAULT_POLICY.inactivity_ms + DEFAULT_POLICY.grace_ms + int(1_000_000 * share)
    record = _Record(processor.partition.applied_offset + 1, None, _CODEC.encode(Punctuation(at, "simulated")))
    began = perf_counter()
    effects = processor.process_log([record], _CODEC)
    sent = sum(map(len, outputs_by_topic(effects, _CODEC).values()))
    flush(processor, effects)
    return sent / (perf_counter() - began)


def main(
    name: Annotated[EngineSetting | None, typer.Option("--case", hidden=True)] = None,
    count: Annotated[int, typer.Option(hidden=True)] = 0,
    largest: Annotated[int, typer.Option(min=10_000, help="Leave out sizes above this.")] = 5_000_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each case, in turns.")] = 3,
) -> None:
    """Measure each engine at each size, and write the figures down."""
    if name is not None:
        typer.echo(json.dumps(case(name, count)))
        return
    console = Console()
    engines: list[EngineSetting] = ["compiled", "reference"] if load_engine("auto").compiled else ["reference"]
    cases = [(engine, size) for engine in engines for size in _SIZES[engine] if size <= largest]
    found: dict[tuple[str, int], list[dict[str, Any]]] = {key: [] for key in cases}
    for _ in range(runs):
        for engine, size in cases:
            command = [sys.executable, "-m", "benchmarks.growth", "--case", engine, "--count", str(size)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[engine, size].append(json.loads(done.stdout))
    medians = [
        {key: value if isinstance(value, str) else median(run[key] for run in of) for key, value in of[0].items()}
        for of in found.values()
    ]
    write_results(described_run() | {"machine": describe_machine(), "runs": runs, "cases": medians}, GROWTH)
    table = Table(show_edge=False)
    for column in medians[-1] | medians[0]:
        table.add_column(column.replace("_", " "), justify="right")
    for row in medians:
        table.add_row(*(f"{value:,}" if not isinstance(value, str) else value for value in row.values()))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
