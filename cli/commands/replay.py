"""`journeys replay`: what was abandoned, from a file or from the input topic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

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
from journeys.cli.instant import instant
from journeys.cli.options import Json, Quiet, Servers, settings_of

if TYPE_CHECKING:
    from journeys.agents.history.open_history import HistoryFile
    from journeys.agents.settings.settings import Settings
    from journeys.cli.files.replay_output import ReplayOutput
    from journeys.cli.progress import Advance
    from journeys.cli.views.replay_summary import ReplaySummary
    from journeys.streams.rule.policy import Policy

_TOPIC: Final = "topic:"


def replay(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Files or folders (JSON lines, JSON, CSV, Parquet; also packed with gzip, zstd, bzip2, xz), - for "
            "standard input, or topic:NAME.",
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Policy (TOML) in place of the default or the log's."),
    ] = None,
    *,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
    until: Annotated[
        int | None,
        typer.Option(
            parser=instant,
            metavar="INSTANT",
            help="Time goes on until there, or stops there; RFC 3339 or epoch milliseconds. Without it, a history ends "
            "at its last record, and what is not decided by then stays open.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option(metavar="FILE", help="Abandonments as JSON lines; - is standard output.")
    ] = "-",
    lifecycle: Annotated[
        str | None, typer.Option(metavar="FILE", help="Lifecycle records as JSON lines; - is standard output.")
    ] = None,
    bootstrap_servers: Servers = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 if there were bad lines.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Replay touchpoints through the rule and write the abandonments, in firing order.

    A file without punctuations gets its time from its records; a file with punctuations, or a topic, keeps
    the time that it holds. CSV, Parquet and mapped files are sorted by time; JSON lines are a log and read as they
    stand. The same input and policy give the same abandonments, ids included. A summary
    and the numbers of bad lines go to standard error; the good lines are replayed whatever the bad ones.
    With --json the summary goes to standard output, and the records need a file.
    """
    require_different({"--output": output, "--lifecycle": lifecycle})
    if as_json and "-" in (output, lifecycle):
        name = "--output" if output == "-" else "--lifecycle"
        raise typer.BadParameter("--json prints its document to standard output: name a file", param_hint=name)
    from journeys.agents.settings.policy_file import load_policy

    show = _Show(as_json=as_json, quiet=quiet)
    replaced = None if policy is None else load_policy(policy)
    if source[0].startswith(_TOPIC):
        if len(source) > 1 or mapping is not None or sort or as_logged:
            raise typer.BadParameter(f"{source[0]} is read by itself and as it stands: no --map, --sort, --as-logged")
        settings = settings_of(bootstrap_servers=bootstrap_servers)
        _replay_topic(settings, source[0].removeprefix(_TOPIC), replaced, until, output, lifecycle, show)
        return
    with history_input(source, mapping=mapping, sort=sort, as_logged=as_logged) as file:
        bad_lines = _replay_file(file, source, replaced, until, output, lifecycle, show)
    if bad_lines and strict:
        raise typer.Exit(WRONG_INPUT)


class _Show(NamedTuple):
    """How a replay shows its progress and its summary."""

    as_json: bool
    quiet: bool

    def summary(self, summary: ReplaySummary, bad_lines: int | None = None) -> None:
        """Print the summary: as JSON to stdout, else as a table to stderr."""
        from journeys.cli.output import print_json
        from journeys.cli.screen import Screen

        if self.as_json:
            print_json(summary.json(bad_lines))
        elif not self.quiet:
            Screen(stderr=True).print(summary.table(bad_lines))


def _replay_file(
    file: HistoryFile,
    sources: list[str],
    policy: Policy | None,
    until: int | None,
    output: str,
    lifecycle: str | None,
    show: _Show,
) -> int:
    """Replay files and return the number of their bad lines."""
    from journeys.agents.history.log_order import LogOrder
    from journeys.agents.history.repeats import remembering_most
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.files.replay_output import ReplayOutput
    from journeys.cli.views.replay_summary import ReplaySummary
    from journeys.streams.partition.driver import replay_punctuated, replay_unpunctuated

    order = LogOrder()
    summary = ReplaySummary(order)
    bad_lines = BadLines(shown_name(sources))
    # What is replayed as a file without punctuations holds none.
    numbered: Any = summary.counted(order.watched(bad_lines.left_out(file)))
    driver = replay_unpunctuated
    if file.has_punctuations():
        driver = replay_punctuated
    else:
        policy = remembering_most(policy)
    with ReplayOutput(output, lifecycle, sources) as written:
        for effects in driver(numbered, policy=policy, until=until):
            summary.add(effects)
            written.write(effects)
        bad_lines.close()
        tell_left_out(file, quiet=show.quiet)
        require_records(file, summary.records, bad_lines.count)  # within: an output of nothing replaces nothing
    tell_order(file, order)
    show.summary(summary, bad_lines.count)
    summary.tell_conversions_alone(quiet=show.quiet)
    return bad_lines.count


def _replay_topic(
    settings: Settings,
    topic: str,
    policy: Policy | None,
    until: int | None,
    output: str,
    lifecycle: str | None,
    show: _Show,
) -> None:
    from journeys.agents.verify.topic_replay import TopicReplay
    from journeys.cli.files.replay_output import ReplayOutput
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar
    from journeys.cli.views.replay_summary import ReplaySummary
    from journeys.schemas.topics import JOURNEY_EVENTS

    if topic != JOURNEY_EVENTS:
        raise typer.BadParameter(f"{_TOPIC}{topic}: only {_TOPIC}{JOURNEY_EVENTS} holds what can be replayed")
    summary = ReplaySummary()
    run = TopicReplay(settings, policy=policy, until=until)

    async def replay_all(written: ReplayOutput, advance: Advance) -> None:
        async for effects in run.effects():
            summary.add(effects)
            written.write(effects)
            advance(run.records_read, run.offsets_total)

    with ReplayOutput(output, lifecycle) as written, progress_bar("replaying", quiet=show.quiet) as advance:
        run_operation(replay_all(written, advance))
    show.summary(summary)
