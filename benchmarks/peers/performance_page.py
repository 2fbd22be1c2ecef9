"""The table of docs/performance.md, made of the figures.

`python -m benchmarks.peers.performance_page` writes it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.measure import ROOT
from benchmarks.page_part import with_part
from benchmarks.peers.peer_results import read_results

PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN: Final = "<!-- peers: begin; written by `make bench-peers`, not by hand -->"
END: Final = "<!-- peers: end -->"
NOTHING: Final = "Not measured yet."
_COMPARED_TO: Final = "flink-heap"
_HEAD: Final = (
    "| system | events/s | events per CPU-second | times Flink (heap) per CPU-second | peak RSS, MiB | runs |",
    "|---|---:|---:|---:|---:|---:|",
)


def table(results: Sequence[Mapping[str, Any]] | None) -> str:
    """Markdown of the figures, the system that does most with a second of CPU first."""
    if results is None:
        return NOTHING
    by_cpu = sorted(results, key=lambda system: -system["events_per_cpu_s"])
    flink = next((system["events_per_cpu_s"] for system in results if system["system"] == _COMPARED_TO), None)
    return "\n".join((*_HEAD, *(_row(system, flink) for system in by_cpu)))


def page_with(text: str, results: Sequence[Mapping[str, Any]] | None) -> str:
    """The page with the table of these figures; raises ValueError where a marker is missing."""
    return with_part(PAGE, text, BEGIN, END, table(results))


def update_page(results: Sequence[Mapping[str, Any]] | None) -> None:
    """Write the table of these figures into the page."""
    PAGE.write_text(page_with(PAGE.read_text("utf-8"), results), "utf-8")


def _row(system: Mapping[str, Any], flink: float | None) -> str:
    times = f"{system['events_per_cpu_s'] / flink:.1f}" if flink else "-"
    cells = (
        system["system"],
        f"{system['events_per_s']:,.0f}",
        f"{system['events_per_cpu_s']:,.0f}",
        times,
        f"{system['peak_rss_mb']:,.0f}",
        str(len(system["runs"])),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    update_page(read_results())
