"""`python -m benchmarks.guard`: has the hot path become slower? A ratio to a fixed loop, on whatever machine.

The hot path of each engine, wire bytes to the wire bytes of rows, is timed by turns with a loop that no change of this
project touches: fastavro decoding the same records one by one. Their ratio hardly depends on the machine. It must not
be more than ALLOWANCE times the one that results/guard.json has; `--accept` writes it anew, when a change is worth it.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from io import BytesIO
from itertools import islice
from statistics import median
from time import process_time
from typing import Annotated, Any

import typer
from fastavro import parse_schema, schemaless_reader
from rich.console import Console

from benchmarks.growth import batches, filled, flush
from benchmarks.results import RESULTS, described_run, write_results
from journeys.schemas.codec import Codec
from journeys.streams.compiled.engine_choice import EngineSetting, load_engine

GUARD = RESULTS / "guard.json"
ALLOWANCE = 1.35
_JOURNEYS = 20_000
_TURNS = 15
_CHECK_FAILED = 1
# The touchpoint's schema as it was when the loop was made: it stays, whatever becomes of schemas/avro.
_LOOP_SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "Fixed",
        "fields": [{"name": f"text{number}", "type": "string"} for number in range(3)]
        + [{"name": f"number{number}", "type": "long"} for number in range(3)],
    }
)
_LOOP_BODY = (b"\x16journey-123") * 3 + b"\x80\xa0\xf4\xb9\xb8f" + b"\x02" + b"\xac\x02"
_LOOPS = 10_000


def _fixed_loop() -> None:
    for _ in range(_LOOPS):
        schemaless_reader(BytesIO(_LOOP_BODY), _LOOP_SCHEMA, None)


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began


def ratio(name: EngineSetting) -> float:
    """CPU time of a touchpoint in the engine, in times of one record in the fixed loop."""
    processor = filled(load_engine(name), _JOURNEYS)
    codec = Codec()
    ratios = []
    for batch in islice(batches(_JOURNEYS, processor.partition.applied_offset), _TURNS):
        ours = _cpu_seconds(lambda batch=batch: flush(processor, processor.process_log(batch, codec))) / len(batch)
        ratios.append(ours / (_cpu_seconds(_fixed_loop) / _LOOPS))
    return round(median(ratios), 3)


def main(accept: Annotated[bool, typer.Option(help="Take today's ratios for the future.")] = False) -> None:
    """Compare today's ratios with those that were accepted."""
    console = Console()
    gc.disable()
    engines: list[EngineSetting] = ["compiled", "reference"] if load_engine("auto").compiled else ["reference"]
    today = {name: ratio(name) for name in engines}
    if accept:
        write_results(described_run() | {"allowance": ALLOWANCE, "ratios": today}, GUARD)
        console.print(f"accepted: {today}")
        return
    accepted: dict[str, Any] = json.loads(GUARD.read_text("utf-8"))["ratios"]
    slower = {name: now for name, now in today.items() if now > accepted[name] * ALLOWANCE}
    for name, now in today.items():
        console.print(f"{name}: {now} of the fixed loop, accepted {accepted[name]}, allowed {ALLOWANCE} times that")
    if slower:
        console.print(f"slower than allowed: {', '.join(slower)}")
        raise typer.Exit(_CHECK_FAILED)


if __name__ == "__main__":
    typer.run(main)
