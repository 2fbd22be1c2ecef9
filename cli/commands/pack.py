"""`journeys pack`: history sorted by journey, for fast backtests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.files.history_input import (
    AsLogged,
    Files,
    Map,
    Sort,
    history_input,
    require_records,
    shown_name,
    tell_left_out,
    tell_order,
)
from journeys.cli.options import HeldMemory, Json, Quiet
from journeys.cli.output import print_json, print_note

_SMALL_FILE = 2**20


def pack(
    source: Files,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The packed file (Parquet).")],
    *,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
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
    from journeys.agents.files.whole_file import require_writable
    from journeys.agents.history.backtest import required_engine
    from journeys.agents.history.history_buckets import MIB, HistoryBuckets
    from journeys.agents.history.history_columns import history_batches
    from journeys.agents.history.log_order import LogOrder
    from journeys.agents.history.packed_history import pack as write_packed
    from journeys.cli.files.bad_lines import BadLines

    require_writable(output, source)
    bad_lines = BadLines(shown_name(source))
    order = LogOrder()
    with (
        history_input(source, mapping=mapping, sort=sort, as_logged=as_logged) as file,
        required_engine("journeys pack"),
        HistoryBuckets(file.size_bytes() or _SMALL_FILE, memory * MIB, with_names=True) as buckets,
    ):
        clock = buckets.fill(order.watched_batches(history_batches(file, bad_lines.add)))
        require_records(file, buckets.records, bad_lines.count)
        journeys = write_packed(buckets, clock, output, bad_lines.count)
        bad_lines.close()
        tell_left_out(file, quiet=quiet)
        tell_order(file, order)
    if as_json:
        print_json({"records": buckets.records, "journeys": journeys, "bad_lines": bad_lines.count})
    summary = f"packed {buckets.records:,} records of {journeys:,} journeys; bad lines: {bad_lines.count:,}"
    print_note(summary, quiet=quiet or as_json)
    if bad_lines.count and strict:
        raise typer.Exit(WRONG_INPUT)
