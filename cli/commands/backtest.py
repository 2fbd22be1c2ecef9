"""`journeys backtest`: several policies over the same history, compared."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.options import HeldMemory, HistoryUntil, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_error, print_json

if TYPE_CHECKING:
    from journeys.agents.history.backtest import Abandonments
    from journeys.agents.history.line_files import LineFile
    from journeys.cli.files.bad_lines import BadLines
    from journeys.streams.compiled.backtest_tally import BacktestTally
    from journeys.streams.rule.policy import Policy

_SMALL_FILE = 2**20


def backtest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A file that `journeys pack` has written, or history itself (.jsonl, .csv, .parquet, - for JSONL on "
            "standard input, topic:NAME for the input topic).",
        ),
    ],
    policy: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A policy (TOML); as many as you like. Without any, the default policy."),
    ] = None,
    *,
    until: HistoryUntil = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The comparison as Parquet, one row a policy.")
    ] = None,
    abandonments: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Every abandonment as Parquet, with its policy's version.")
    ] = None,
    memory: HeldMemory = 1024,
    bootstrap_servers: Servers = None,
    reference: Annotated[
        bool,
        typer.Option("--reference", help="Take the Python rule in place of the compiled engine: slower, same results."),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 if there were bad lines.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run history under several policies and compare their results.

    Each policy is applied to the whole history as `journeys replay SOURCE --policy FILE` would; of a topic, to the
    records of each partition, without the time that the topic holds. The comparison goes to standard output, bad lines
    to standard error.
    """
    from journeys.agents.history.backtest import engine_is_there, require_engine
    from journeys.agents.history.backtest_files import AbandonmentFile, write_comparison
    from journeys.cli.commands.backtest_topic import TOPIC, topic_tallies
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.files.regular_file import regular_file
    from journeys.cli.screen import Screen
    from journeys.cli.views.backtest_table import comparison, comparison_json

    policies = _policies(policy or [])
    if reference and abandonments is not None:
        raise typer.BadParameter("--abandonments comes from the compiled engine; --reference: use journeys replay")
    is_topic = source.startswith(TOPIC)
    bad_lines = BadLines("standard input" if source == "-" else source, "offset" if is_topic else "line")
    by_reference = reference or not engine_is_there()
    if by_reference and abandonments is not None:
        require_engine("--abandonments")
    if by_reference and not reference:
        print_error("the compiled engine is not built: the Python rule runs, a hundred times slower")
    with nullcontext() if abandonments is None else AbandonmentFile(abandonments, policies) as written:
        add = None if written is None else written.add
        if is_topic:
            settings = settings_of(bootstrap_servers=bootstrap_servers)
            tallies = topic_tallies(
                settings, source, policies, until, memory, bad_lines, add, by_reference=by_reference, quiet=quiet
            )
        else:
            with regular_file(source) as file:
                if by_reference:
                    tallies = _by_reference(file, policies, until, bad_lines)
                else:
                    tallies = _by_engine(file, policies, until, memory, bad_lines, add)
    bad_lines.close()
    if output is not None:
        write_comparison(output, policies, tallies)
    if as_json:
        print_json(comparison_json(policies, tallies))
    else:
        Screen().print(comparison(policies, tallies))
    if bad_lines.count and strict:
        raise typer.Exit(WRONG_INPUT)


def _policies(paths: list[Path]) -> list[Policy]:
    from journeys.agents.settings.policy_file import load_policy
    from journeys.streams.rule.policy import DEFAULT_POLICY

    policies = [load_policy(path) for path in paths] or [DEFAULT_POLICY]
    versions = [policy.version for policy in policies]
    for version in versions:
        if versions.count(version) > 1:
            raise typer.BadParameter(f"version {version!r} is in two of the policies; a comparison needs one each")
    return policies


def _by_engine(
    file: LineFile,
    policies: list[Policy],
    until: int | None,
    memory: int,
    bad_lines: BadLines,
    abandonments: Abandonments | None,
) -> list[BacktestTally]:
    from journeys.agents.history.backtest import backtest, packed, unpacked
    from journeys.agents.history.history_buckets import MIB
    from journeys.agents.history.packed_history import PackedHistory, is_packed

    with_names = abandonments is not None
    if is_packed(file.path):
        left_out = PackedHistory(file.path).bad_lines
        if left_out:
            print_error(f"{file.path}: {left_out:,} bad lines were left out when it was packed")
        history = packed(file.path, with_names=with_names)
        return backtest(history, policies, until=until, abandonments=abandonments)
    size_bytes = file.size_bytes() or _SMALL_FILE
    with unpacked(file.path, size_bytes, memory * MIB, bad_lines.add, with_names=with_names) as history:
        return backtest(history, policies, until=until, abandonments=abandonments)


def _by_reference(
    file: LineFile, policies: list[Policy], until: int | None, bad_lines: BadLines
) -> list[BacktestTally]:
    from journeys.agents.history.history_columns import NO_PUNCTUATIONS
    from journeys.agents.history.packed_history import is_packed
    from journeys.agents.settings.operation_error import OperationError
    from journeys.cli.files.regular_file import holds_punctuations
    from journeys.streams.compiled.backtest_tally import tally_of
    from journeys.streams.partition.driver import replay_unpunctuated

    if is_packed(file.path):
        raise OperationError(f"{file.path}: a packed file needs the compiled engine; give the history itself")
    if holds_punctuations(file):
        raise OperationError(f"{file.path}: {NO_PUNCTUATIONS}")
    tallies = []
    for policy in policies:
        bad_lines.count = 0
        numbered: Any = bad_lines.left_out(file)
        tallies.append(tally_of(replay_unpunctuated(numbered, policy=policy, until=until)))
    return tallies
