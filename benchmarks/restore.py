"""`python -m benchmarks.restore`: how fast a worker has its open journeys back; figures to results/restore.json.

Cold: nothing on the worker's disk, all of the changelog is read. Warm: rows on its disk, the changelog's tail is read.
Next to it Faust's own table with the same rows; fewer of them where it would take for ever.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep, time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import plain_faust_table
from benchmarks.longest_hold import longest_hold_ms
from benchmarks.machine import describe_machine
from benchmarks.measure import RunFailedError, fresh_kafka, running
from benchmarks.open_journeys import write_open_journeys
from benchmarks.process_usage import ProcessUsage
from benchmarks.results import RESULTS, described_run, write_results
from journeys.agents.devserver.broker import configured_servers
from journeys.agents.devserver.broker_unavailable import BrokerUnavailable
from journeys.agents.kafka.topic_setup import create_topics
from journeys.agents.settings.settings import Settings

RESTORE = RESULTS / "restore.json"
TARGET_ROWS_PER_S = 100_000
_CHECK_FAILED = 1
_WRONG_USAGE = 2
_LIMIT_SECONDS = 600.0
_POLL_SECONDS = 0.02
_TAIL_SHARE = 100
_SCREEN_COLUMNS = 110
_WORKER = (sys.executable, "-m", "journeys.cli", "worker")
_PLAIN_FAUST = (sys.executable, "-m", "benchmarks.plain_faust_table", "worker", "--loglevel", "warn", "--without-web")
_RESTORED = re.compile(r"restored: .*?(\d+) journeys, ([\d.]+) s")
_READ = re.compile(r"(\d+) changelog records")


@dataclass(frozen=True, slots=True)
class Restored:
    """One restore.

    `restore_seconds` from the first changelog records to rows that can be worked on, `restore_cpu_seconds` what the
    process took in that span; `seconds` from the start of the process, with Python, Faust and the group's join.
    """

    system: str
    start: str
    journeys: int
    changelog_records: int
    bytes_per_row: int
    restore_seconds: float
    restore_cpu_seconds: float
    seconds: float
    peak_rss_mb: float
    longest_hold_ms: float | None
    """Longest time for which one call kept all other threads from running; Faust's own table does not tell."""
    longest_hold_cpu_ms: float | None
    load_average: float
    """The machine's over a minute, before the process starts."""

    @property
    def rows_per_s(self) -> float:
        """Journeys by wall time of the restore."""
        return self.journeys / self.restore_seconds

    @property
    def rows_per_cpu_s(self) -> float:
        """Journeys by CPU time of the restore."""
        return self.journeys / self.restore_cpu_seconds


def main(
    sizes: Annotated[list[int], typer.Argument(help="Open journeys, one restore for each.")] = [100_000, 1_000_000],  # noqa: B006 - typer copies it
    faust_rows: Annotated[int, typer.Option(min=1_000, help="Rows that Faust's own table restores.")] = 100_000,
) -> None:
    """Measure restores of the worker, cold and warm, and of Faust's own table, and write the figures down."""
    console = Console(width=_SCREEN_COLUMNS)
    if configured_servers() is not None:
        console.print("a run needs fresh topics: unset JOURNEYS_BOOTSTRAP_SERVERS, benchmarks start their own Kafka")
        raise typer.Exit(_WRONG_USAGE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_CHECK_FAILED))  # so that no Kafka is left behind
    machine = describe_machine()
    runs: list[Restored] = []
    try:
        for size in sizes:
            console.print(f"{size:,} open journeys: cold, then warm")
            runs += _own(size)
        console.print(f"Faust's own table: {faust_rows:,} rows")
        runs.append(_faust(faust_rows))
    except (RunFailedError, BrokerUnavailable) as error:
        console.print(str(error), markup=False)
        raise typer.Exit(_CHECK_FAILED) from None
    write_results(_results(runs, machine), RESTORE)
    _show(runs, console)


def _own(size: int) -> list[Restored]:
    """Cold with rows in memory alone, cold with an empty disk, warm with all but a tail on the disk."""
    with fresh_kafka() as (servers, folder):
        settings = Settings(_env_file=None, bootstrap_servers=servers)
        asyncio.run(create_topics(settings))
        row_bytes = asyncio.run(write_open_journeys(settings, range(size)))
        disk = {"JOURNEYS_STORE": "rocksdb://", "JOURNEYS_DATA_DIR": str(folder / "data")}
        runs = [
            _restore("journeys", "cold", _WORKER, servers, folder, size, row_bytes),
            _restore("journeys", "cold, rows to disk", _WORKER, servers, folder, size, row_bytes, disk),
        ]
        asyncio.run(write_open_journeys(settings, range(size // _TAIL_SHARE)))
        runs.append(_restore("journeys", "warm", _WORKER, servers, folder, size, row_bytes, disk))
        return runs


def _faust(size: int) -> Restored:
    with fresh_kafka() as (servers, folder):
        settings = Settings(_env_file=None, bootstrap_servers=servers, application_id=plain_faust_table.APPLICATION_ID)
        asyncio.run(create_topics(settings))
        row_bytes = asyncio.run(write_open_journeys(settings, range(size)))
        return _restore("faust's own table", "cold", _PLAIN_FAUST, servers, folder, size, row_bytes)


def _restore(
    system: str,
    start: str,
    command: Sequence[str],
    servers: str,
    folder: Path,
    size: int,
    row_bytes: int,
    environment: dict[str, str] | None = None,
) -> Restored:
    """Start a system, wait until it says that it has restored, and stop it. Raises RunFailedError."""
    log_path = folder / f"{system}-{start}.log".replace(" ", "-")
    load_average = os.getloadavg()[0]
    began_at = monotonic()
    with (
        running(command, servers, folder, log_path, environment) as process,
        ProcessUsage(process.pid) as usage,
    ):
        while (said := _RESTORED.search(log := log_path.read_text(errors="replace"))) is None:
            if process.poll() is not None or monotonic() - began_at > _LIMIT_SECONDS:
                raise RunFailedError(f"{system} has not restored; its log ends:\n{log[-4000:]}")
            sleep(_POLL_SECONDS)
        seconds = monotonic() - began_at
        at = time()
        sleep(0.1)  # samples on both sides of the instant
        restored, restore_seconds = int(said[1]), float(said[2])
        cpu_seconds = usage.cpu_seconds_at(at) - usage.cpu_seconds_at(at - restore_seconds)
        peak_rss_mb = usage.peak_rss_mb()
    # Faust counts the partitions' own rows among its rows.
    if not size <= restored <= size + 4:
        raise RunFailedError(f"{system} has restored {restored} journeys, and there are {size}")
    read = _READ.search(said[0])
    return Restored(
        system,
        start,
        size,
        restored if read is None else int(read[1]),
        row_bytes,
        restore_seconds,
        round(cpu_seconds, 2),
        round(seconds, 2),
        round(peak_rss_mb, 1),
        *(longest_hold_ms(log_path) if command == _WORKER else (None, None)),
        round(load_average, 2),
    )


def _results(runs: Sequence[Restored], machine: dict[str, Any]) -> dict[str, Any]:
    cold = [run for run in runs if (run.system, run.start) == ("journeys", "cold")]
    faust = runs[-1]
    return described_run() | {
        "machine": machine,
        "figures": {
            "target_rows_per_s": TARGET_ROWS_PER_S,
            "rows_per_s": {str(run.journeys): round(run.rows_per_s) for run in cold},
            "rows_per_cpu_s": {str(run.journeys): round(run.rows_per_cpu_s) for run in cold},
            "faust_rows_per_s": round(faust.rows_per_s),
            "faust_rows_per_cpu_s": round(faust.rows_per_cpu_s),
            "times_faust": {str(run.journeys): round(run.rows_per_s / faust.rows_per_s, 1) for run in cold},
            "times_faust_by_cpu": {
                str(run.journeys): round(run.rows_per_cpu_s / faust.rows_per_cpu_s, 1) for run in cold
            },
        },
        "runs": [
            asdict(run) | {"rows_per_s": round(run.rows_per_s), "rows_per_cpu_s": round(run.rows_per_cpu_s)}
            for run in runs
        ],
    }


def _show(runs: Sequence[Restored], console: Console) -> None:
    table = Table(title="restores", title_justify="left", show_edge=False)
    for column in ("", "start", "journeys", "read", "rows/s", "/CPU-s", "s", "since start", "RSS, MiB"):
        table.add_column(column, justify="left" if column in {"", "start"} else "right")
    for run in runs:
        counts = (run.journeys, run.changelog_records, run.rows_per_s, run.rows_per_cpu_s)
        times = (f"{run.restore_seconds:.1f}", f"{run.seconds:.1f}", f"{run.peak_rss_mb:,.0f}")
        table.add_row(run.system, run.start, *(f"{count:,.0f}" for count in counts), *times)
    console.print(table)
    console.print(f"figures in {RESTORE}")


if __name__ == "__main__":
    typer.run(main)
