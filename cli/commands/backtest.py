"""`journeys backtest`: several policies over the same history, compared."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.files.history_input import (
    AsLogged,
    Map,
    Sort,
    history_input,
    require_records,
    shown_name,
    tell_left_out,
    tell_order,
)
from journeys.cli.files.output_names import require_different
from journeys.cli.options import ComparisonUntil, HeldMemory, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_error, print_json, print_note

if TYPE_CHECKING:
    from journeys.agents.history.backtest import Abandonments
    from journeys.agents.history.log_order import LogOrder
    from journeys.agents.history.open_history import HistoryFile
    from journeys.cli.files.bad_lines import BadLines
    from journeys.streams.compiled.backtest_tally import BacktestTally
    from journeys.streams.rule.policy import Policy


def backtest(  # noqa: PLR0912, PLR0915  (what is asked for, a branch each)
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="A file that `journeys pack` has written, or history itself: files or folders as for "
            "`journeys replay`, - for standard input, topic:NAME for the input topic.",
        ),
    ],
    policy: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A policy (TOML); as many as you like. Without any, the default policy."),
    ] = None,
    *,
    inactivity_hours: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Each policy with each of these inactivity thresholds, not its own."),
    ] = None,
    timeout_days: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Each policy with each of these timeouts, not its own.")
    ] = None,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
    until: ComparisonUntil = None,
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
    records of each partition, without the time that the topic holds. It ends at the last record at the latest: of what
    comes after it nothing can be seen. The comparison goes to standard output, bad lines to standard error.
    """
    from journeys.agents.files.whole_file import require_writable
    from journeys.agents.history.backtest import engine_is_there, require_engine
    from journeys.agents.history.backtest_files import AbandonmentFile, write_comparison
    from journeys.agents.history.log_order import LogOrder
    from journeys.agents.history.packed_history import is_packed
    from journeys.agents.history.repeats import remembering_most
    from journeys.cli.commands.backtest_topic import TOPIC, topic_tallies
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.screen import Screen
    from journeys.cli.views.backtest_table import comparison, comparison_json

    require_different({"--output": output, "--abandonments": abandonments})
    for path in (output, abandonments):
        if path is not None:
            require_writable(path, source)
    policies = _policies(policy or [], inactivity_hours, timeout_days)
    if reference and abandonments is not None:
        raise typer.BadParameter("--abandonments comes from the compiled engine; --reference: use journeys replay")
    is_topic = source[0].startswith(TOPIC)
    if is_topic and (len(source) > 1 or mapping is not None or sort or as_logged):
        raise typer.BadParameter(f"{source[0]} is read by itself and as it stands: no --map, --sort, --as-logged")
    bad_lines = BadLines(shown_name(source), "offset" if is_topic else "line")
    by_reference = reference or not engine_is_there()
    if by_reference and abandonments is not None:
        require_engine("--abandonments")
    with nullcontext() if abandonments is None else AbandonmentFile(abandonments, policies) as written:
        add = None if written is None else written.add
        if is_topic:
            settings = settings_of(bootstrap_servers=bootstrap_servers)
            tallies = topic_tallies(
                settings, source[0], policies, until, memory, bad_lines, add, by_reference=by_reference, quiet=quiet
            )
        else:
            policies = [remembering_most(one) for one in policies]
            order = LogOrder()
            if len(source) == 1 and is_packed(source[0]):
                tallies = _of_packed(source[0], policies, until, add, by_reference=by_reference)
            else:
                with history_input(source, mapping=mapping, sort=sort, as_logged=as_logged) as file:
                    if by_reference:
                        tallies = _by_reference(file, policies, until, bad_lines, order)
                    else:
                        tallies = _by_engine(file, policies, until, memory, bad_lines, add, order)
                    require_records(file, tallies[0].applied + tallies[0].late + tallies[0].refused, bad_lines.count)
                    tell_left_out(file, quiet=quiet)
                    tell_order(file, order)
    bad_lines.close()
    if by_reference and not reference:
        print_note("the compiled engine is not built: the Python rule ran, a hundred times slower", quiet=quiet)
    if output is not None:
        write_comparison(output, policies, tallies)
    if as_json:
        print_json(comparison_json(policies, tallies))
    else:
        Screen().print(comparison(policies, tallies))
    if bad_lines.count and strict:
        raise typer.Exit(WRONG_INPUT)


def _policies(paths: list[Path], inactivity_hours: str | None, timeout_days: str | None) -> list[Policy]:
    from journeys.agents.history.policy_sweep import durations_of, swept
    from journeys.agents.settings.policy_file import load_policy
    from journeys.streams.rule.policy import DEFAULT_POLICY, InvalidPolicyError

    policies = [load_policy(path) for path in paths] or [DEFAULT_POLICY]
    try:
        hours, days = (durations_of(text) if text is not None else [] for text in (inactivity_hours, timeout_days))
        policies = swept(policies, hours, days)
    except InvalidPolicyError as error:
        raise typer.BadParameter(f"--inactivity-hours, --timeout-days: {error}") from None
    versions = [policy.version for policy in policies]
    for version in versions:
        if versions.count(version) > 1:
            raise typer.BadParameter(f"version {version!r} is in two of the policies; a comparison needs one each")
    return policies


def _of_packed(
    path: str, policies: list[Policy], until: int | None, abandonments: Abandonments | None, *, by_reference: bool
) -> list[BacktestTally]:
    from journeys.agents.history.backtest import backtest, packed
    from journeys.agents.history.packed_history import PackedHistory
    from journeys.agents.settings.operation_error import OperationError

    if by_reference:
        raise OperationError(f"{path}: a packed file needs the compiled engine; give the history itself")
    left_out = PackedHistory(path).bad_lines
    if left_out:
        print_error(f"{path}: {left_out:,} bad lines were left out when it was packed")
    history = packed(path, policies, with_names=abandonments is not None)
    return backtest(history, policies, until=until, abandonments=abandonments)


def _by_engine(
    file: HistoryFile,
    policies: list[Policy],
    until: int | None,
    memory: int,
    bad_lines: BadLines,
    abandonments: Abandonments | None,
    order: LogOrder,
) -> list[BacktestTally]:
    from journeys.agents.history.backtest import backtest, unpacked
    from journeys.agents.history.history_buckets import MIB

    with_names = abandonments is not None
    with unpacked(file, memory * MIB, bad_lines.add, with_names=with_names, order=order) as history:
        return backtest(history, policies, until=until, abandonments=abandonments)


def _by_reference(
    file: HistoryFile, policies: list[Policy], until: int | None, bad_lines: BadLines, order: LogOrder
) -> list[BacktestTally]:
    from journeys.agents.history.history_columns import NO_PUNCTUATIONS
    from journeys.agents.settings.operation_error import OperationError
    from journeys.streams.compiled.backtest_tally import tally_of
    from journeys.streams.partition.driver import replay_unpunctuated

    if file.has_punctuations():
        raise OperationError(f"{file.name}: {NO_PUNCTUATIONS}")
    for _ in order.watched(bad_lines.left_out(file)):
        pass  # to know the last record, at which a comparison ends
    end = order.greatest if until is None or order.greatest is None else min(until, order.greatest)
    tallies = []
    for policy in policies:
        numbered: Any = bad_lines.good(file)
        tallies.append(tally_of(replay_unpunctuated(numbered, policy=policy, until=end)))
    return tallies
