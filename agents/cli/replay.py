"""`journeys replay`: what was abandoned, from a file or from the input topic."""
# ruff: noqa: PLC0415 - imports stand where they are needed, so that --help comes at once

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agents.cli.command_line import WRONG_INPUT
from agents.cli.instant import instant

if TYPE_CHECKING:
    from agents.cli.bad_lines import BadLines
    from agents.cli.replay_summary import ReplaySummary
    from agents.line_files import LineFile
    from streams.effects import Effects
    from streams.policy import Policy

_TOPIC: Final = "topic:"


def replay(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A file (.jsonl, .csv, .parquet), - for JSONL on standard input, or topic:NAME."
        ),
    ],
    policy: Annotated[
        Path | None, typer.Option(help="Policy (TOML) in place of the default one, or of those in the log.")
    ] = None,
    until: Annotated[
        int | None,
        typer.Option(
            parser=instant,
            metavar="INSTANT",
            help="Stop there; RFC 3339 or epoch milliseconds. Without it, a file runs until 91 days after its last "
            "record and a topic to its end.",
        ),
    ] = None,
    output: Annotated[str, typer.Option(metavar="FILE", help="Abandonments as JSON lines; - is standard output.")] = "-",
    lifecycle: Annotated[
        str | None, typer.Option(metavar="FILE", help="Lifecycle records as JSON lines; - is standard output.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 if there were bad lines.")] = False,
) -> None:
    """Replay touchpoints through the rule and write the abandonments, in firing order.

    A file without punctuations gets its time from its records; a file with punctuations, or a topic, keeps
    the time that it holds. The same input and policy give the same abandonments, ids included. A summary
    and the numbers of bad lines go to standard error; the good lines are replayed whatever the bad ones.
    """
    from rich.console import Console

    from agents.cli.bad_lines import BadLines
    from agents.cli.regular_file import regular_file
    from agents.cli.replay_summary import ReplaySummary
    from agents.policy_file import load_policy

    if output == lifecycle:
        raise typer.BadParameter("--output and --lifecycle name the same file")
    given = None if policy is None else load_policy(policy)
    summary = ReplaySummary()
    bad_lines = BadLines("standard input" if source == "-" else source)
    with regular_file(source) as file:
        _write(_file_effects(file, bad_lines, summary, given, until), summary, output, lifecycle)
    bad_lines.close()
    summary.show(Console(stderr=True), bad_lines.count)
    if strict and bad_lines.count:
        raise typer.Exit(WRONG_INPUT)


def _file_effects(
    file: LineFile, bad_lines: BadLines, summary: ReplaySummary, policy: Policy | None, until: int | None
) -> Iterable[Effects]:
    from streams.driver import replay_punctuated, replay_unpunctuated

    # A file holds no punctuation exactly where it is replayed as one that holds none.
    numbered: Any = summary.counted(bad_lines.left_out(file))
    driver = replay_punctuated if file.has_punctuations() else replay_unpunctuated
    return driver(numbered, policy=policy, until=until)


def _write(effects: Iterable[Effects], summary: ReplaySummary, output: str, lifecycle: str | None) -> None:
    from agents.cli.output_file import OutputFile
    from schemas.lines import output_line

    with OutputFile(output) as abandoned, nullcontext() if lifecycle is None else OutputFile(lifecycle) as told:
        for some in effects:
            for abandonment in some.abandonments:
                abandoned.write(output_line(abandonment))
            if told is not None:
                for record in some.lifecycle:
                    told.write(output_line(record))
            summary.add(some)
