"""The figures of docs/scaling.md, made of the results: `python -m benchmarks.scaling_page` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks.measure import ROOT
from benchmarks.page_part import with_part
from benchmarks.record_sizes import RecordSizes, record_sizes
from benchmarks.results import RESULTS

PAGE: Final = ROOT / "docs" / "scaling.md"
TOUCHPOINTS_A_DAY: Final = 1_000_000_000
OPEN_JOURNEYS: Final = 100_000_000
PEAK: Final = 3
"""Times the mean, in the busiest hour."""
REPLICAS: Final = 3
WORKERS: Final = (8, 16, 32)
_DAY_SECONDS: Final = 86_400
_SIZED_BY: Final = "journeys-each-poll"
"""Live traffic does not coalesce: a row for each touchpoint."""


def update_page() -> None:
    """Write the figures into the page."""
    PAGE.write_text(page_with(PAGE.read_text("utf-8")), "utf-8")


def page_with(text: str) -> str:
    """The page with the figures of the repository; raises ValueError where a marker is missing."""
    for name, lines in (("scale_out", _scale_out()), ("arithmetic", _arithmetic())):
        text = with_part(PAGE, text, f"<!-- {name}: begin -->", f"<!-- {name}: end -->", "\n".join(lines))
    return text


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def _scale_out() -> Iterator[str]:
    results = _read("scale_out")
    yield (
        "| partitions | workers | events/s | events per CPU-second | MiB each | one more joins, s | its restore, s "
        "| partitions moved | journeys moved |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for case in results["cases"]:
        yield (
            f"| {case['partitions']} | {case['workers']} "
            f"| {case['events_per_s']:,.0f} | {case['events_per_cpu_s']:,.0f} "
            f"| {case['peak_rss_mb_each']:,.0f} | {case['join_seconds']:.1f} | {case['restore_seconds']:.2f} "
            f"| {case['partitions_moved']:.0f} | {case['journeys_moved']:,.0f} |"
        )


def _arithmetic() -> Iterator[str]:
    sizes = record_sizes()
    grown_us = _growth_us()
    each_poll = next(one["events_per_cpu_s"] for one in _read("peers") if one["system"] == _SIZED_BY)
    rows_per_s = _read("restore")["figures"]["rows_per_s"]["1000000"]
    bytes_each = _largest(_read("growth")["cases"])["bytes_per_open_journey"]
    mean = TOUCHPOINTS_A_DAY / _DAY_SECONDS
    peak = mean * PEAK
    us_each = 1e6 / each_poll + grown_us
    yield "| what | arithmetic | comes to |"
    yield "|---|---|---:|"
    yield f"| touchpoints a second, mean | {TOUCHPOINTS_A_DAY:,} / {_DAY_SECONDS:,} s | {mean:,.0f} |"
    yield f"| touchpoints a second, peak | {mean:,.0f} x {PEAK} | {peak:,.0f} |"
    yield (
        f"| CPU of a touchpoint | 1 / {each_poll:,.0f} (rows after every poll) "
        f"+ {grown_us:.2f} us (millions of journeys in place of thousands) | {us_each:.2f} us |"
    )
    yield f"| cores of all workers, at the peak | {peak:,.0f} x {us_each:.2f} us | {peak * us_each / 1e6:.2f} |"
    memory = OPEN_JOURNEYS * bytes_each / 1e9
    yield f"| memory of open journeys | {OPEN_JOURNEYS:,} x {bytes_each} bytes | {memory:.1f} GB |"
    yield from _bytes(sizes, mean)
    yield ""
    yield "| workers | journeys each | memory each | cold restore, compacted | cold restore, a day uncompacted |"
    yield "|---:|---:|---:|---:|---:|"
    for workers in WORKERS:
        each = OPEN_JOURNEYS / workers
        whole = (OPEN_JOURNEYS + TOUCHPOINTS_A_DAY) / workers
        yield (
            f"| {workers} | {each:,.0f} | {each * bytes_each / 1e9:.1f} GB | {each / rows_per_s:,.0f} s "
            f"| {whole / rows_per_s:,.0f} s |"
        )


def _bytes(sizes: RecordSizes, mean: float) -> Iterator[str]:
    outputs = sizes.output_bytes * sizes.outputs_per_touchpoint
    written = sizes.touchpoint_bytes + sizes.row_bytes + outputs
    yield f"| input | {mean:,.0f} x {sizes.touchpoint_bytes:.0f} bytes | {_megabytes(mean * sizes.touchpoint_bytes)} |"
    yield (
        f"| changelog, a row for each touchpoint | {mean:,.0f} x {sizes.row_bytes:.0f} bytes "
        f"| {_megabytes(mean * sizes.row_bytes)} |"
    )
    yield (
        f"| outputs | {mean:,.0f} x {sizes.outputs_per_touchpoint:.2f} x {sizes.output_bytes:.0f} bytes "
        f"| {_megabytes(mean * outputs)} |"
    )
    yield (
        f"| written by all brokers, mean | the three x {REPLICAS} replicas | {_megabytes(mean * written * REPLICAS)} |"
    )
    yield (f"| the same at the peak | x {PEAK} | {_megabytes(mean * written * REPLICAS * PEAK)} |")
    kept = OPEN_JOURNEYS * sizes.row_bytes + TOUCHPOINTS_A_DAY * sizes.row_bytes
    yield (
        f"| changelog on disk, one replica | ({OPEN_JOURNEYS:,} rows + a day's {TOUCHPOINTS_A_DAY:,}, which "
        f"`min.compaction.lag.ms` keeps) x {sizes.row_bytes:.0f} bytes | {kept / 1e9:,.0f} GB |"
    )
    yield (
        f"| input on disk, a year, one replica | {TOUCHPOINTS_A_DAY:,} x 365 x {sizes.touchpoint_bytes:.0f} bytes "
        f"| {TOUCHPOINTS_A_DAY * 365 * sizes.touchpoint_bytes / 1e12:,.0f} TB |"
    )


def _growth_us() -> float:
    cases = [case for case in _read("growth")["cases"] if case["engine"] == "compiled"]
    return float(_largest(cases)["us_per_touchpoint"] - min(cases, key=_size)["us_per_touchpoint"])


def _largest(cases: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return max((case for case in cases if case["engine"] == "compiled"), key=_size)


def _size(case: Mapping[str, Any]) -> int:
    return int(case["open_journeys"])


def _megabytes(bytes_per_s: float) -> str:
    return f"{bytes_per_s / 1e6:,.1f} MB/s"


if __name__ == "__main__":
    update_page()
