"""`journeys pack`: history sorted by journey, for fast backtests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.options import HeldMemory, Json, Quiet
from journeys.cli.output import print_json, print_note

_SMALL_FILE = 2**20


def pack(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A file (.jsonl, .csv, .parquet), or - for JSONL on standard input."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The packed file (Parquet).")],
    memory: HeldMemory = 1024,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 if there were bad lines.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pack history by journey, for `journeys backtest`.

    Takes the lines that a replay takes, but for punctuations, which end it: a backtest makes time from the records.
    The numbers of bad lines go to standard error and are counted in the packed file; the good lines are packed.
    Needs the compiled engine. What does not fit into the memory goes to files in the temporary folder.
    """
    from journeys.agents.history.backtest import require_engine
    from journeys.agents.history.history_buckets import MIB, HistoryBuckets
    from journeys.agents.history.history_columns import history_batches
    from journeys.agents.history.packed_history import pack as write_packed
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.files.regular_file import regular_file

    require_engine("journeys pack")
    bad_lines = BadLines("standard input" if source == "-" else source)
    with (
        regular_file(source) as file,
        HistoryBuckets(file.size_bytes() or _SMALL_FILE, memory * MIB, with_names=True) as buckets,
    ):
        clock = buckets.fill(history_batches(file.path, bad_lines.add))
        journeys = write_packed(buckets, clock, output, bad_lines.count)
        bad_lines.close()
    if as_json:
        print_json({"records": buckets.records, "journeys": journeys, "bad_lines": bad_lines.count})
    summary = f"packed {buckets.records:,} records of {journeys:,} journeys; bad lines: {bad_lines.count:,}"
    print_note(summary, quiet=quiet or as_json)
    if bad_lines.count and strict:
        raise typer.Exit(WRONG_INPUT)
