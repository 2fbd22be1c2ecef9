"""`journeys pack`: history sorted by journey, for fast backtests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.files.history_input import AsLogged, Files, Map, Sort
from journeys.cli.options import HeldMemory, Json, Quiet
from journeys.cli.output import print_json, print_note


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
    from journeys.cli.files.packed_input import pack_input

    require_writable(output, source)
    packed = pack_input(
        source,
        output,
        mapping=mapping,
        sort=sort,
        as_logged=as_logged,
        memory=memory,
        quiet=quiet,
        what="journeys pack",
    )
    if as_json:
        print_json(packed._asdict())
    summary = f"packed {packed.records:,} records of {packed.journeys:,} journeys; bad lines: {packed.bad_lines:,}"
    print_note(summary, quiet=quiet or as_json)
    if packed.bad_lines and strict:
        raise typer.Exit(WRONG_INPUT)
