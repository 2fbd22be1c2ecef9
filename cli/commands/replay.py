"""`journeys replay`: what was abandoned, from a file or from the input topic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.instant import instant
from journeys.cli.options import Json, Quiet, Servers, settings_of

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings
    from journeys.cli.files.replay_output import ReplayOutput
    from journeys.cli.progress import Advance
    from journeys.cli.views.replay_summary import ReplaySummary
    from journeys.streams.rule.policy import Policy

_TOPIC: Final = "topic:"


def replay(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A file (.jsonl, .csv, .parquet), - for JSONL on standard input, or topic:NAME."
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Policy (TOML) in place of the default or the log's."),
    ] = None,
    *,
    until: Annotated[
        int | None,
        typer.Option(
            parser=instant,
            metavar="INSTANT",
            help="Stop there; RFC 3339 or epoch milliseconds. Without it, a file runs until 91 days after its last "
            "record and a topic to its end.",
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
    the time that it holds. The same input and policy give the same abandonments, ids included. A summary
    and the numbers of bad lines go to standard error; the good lines are replayed whatever the bad ones.
    With --json the summary goes to standard output, and the records need a file.
    """
    if output == lifecycle:
        raise typer.BadParameter("--output and --lifecycle name the same file")
    if as_json and "-" in (output, lifecycle):
        name = "--output" if output == "-" else "--lifecycle"
        raise typer.BadParameter("--json prints its document to standard output: name a file", param_hint=name)
    from journeys.agents.settings.policy_file import load_policy

    show = _Show(as_json=as_json, quiet=quiet)
    replaced = None if policy is None else load_policy(policy)
    if source.startswith(_TOPIC):
        settings = settings_of(bootstrap_servers=bootstrap_servers)
        _replay_topic(settings, source.removeprefix(_TOPIC), replaced, until, output, lifecycle, show)
    elif _replay_file(source, replaced, until, output, lifecycle, show) and strict:
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
    source: str, policy: Policy | None, until: int | None, output: str, lifecycle: str | None, show: _Show
) -> int:
    """Replay a file and return the number of its bad lines."""
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.files.regular_file import holds_punctuations, regular_file
    from journeys.cli.files.replay_output import ReplayOutput
    from journeys.cli.views.replay_summary import ReplaySummary
    from journeys.streams.partition.driver import replay_punctuated, replay_unpunctuated

    summary = ReplaySummary()
    bad_lines = BadLines("standard input" if source == "-" else source)
    with regular_file(source) as file:
        # What is replayed as a file without punctuations holds none.
        numbered: Any = summary.counted(bad_lines.left_out(file))
        driver = replay_punctuated if holds_punctuations(file) else replay_unpunctuated
        with ReplayOutput(output, lifecycle) as written:
            for effects in driver(numbered, policy=policy, until=until):
                summary.add(effects)
                written.write(effects)
    bad_lines.close()
    show.summary(summary, bad_lines.count)
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
