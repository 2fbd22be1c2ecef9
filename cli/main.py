"""`journeys`: all commands, each with its example. Importing this loads none of the modules that they run."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from inspect import cleandoc
from io import TextIOWrapper
from typing import Annotated

import typer
from typer.core import TyperGroup

from journeys.cli.command_line import CommandLine, print_fault, require_streams
from journeys.cli.commands import (
    backtest,
    bigquery,
    broker,
    cdnow,
    check,
    config,
    correct_clock,
    dashboard,
    dead_letters,
    demo,
    ecom,
    generate,
    import_history,
    inspect,
    listen,
    manual_commands,
    pack,
    policy,
    policy_propose,
    produce,
    replay,
    report,
    show,
    sink,
    stack,
    topics,
    topics_copy,
    topics_live,
    verify,
    watch,
    worker,
)
from journeys.cli.version import print_version


def _group(help_text: str, example: str, kind: type[TyperGroup] = TyperGroup) -> typer.Typer:
    return typer.Typer(
        cls=kind,
        help=help_text,
        epilog=f"Example: journeys {example}",
        no_args_is_help=True,
        rich_markup_mode=None,
        add_completion=kind is CommandLine,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )


def _add(group: typer.Typer, name: str, function: Callable[..., None], short: str, example: str) -> None:
    # Each paragraph on one line: lines of a docstring end where source code does, not where a terminal does.
    paragraphs = [" ".join(paragraph.split()) for paragraph in cleandoc(function.__doc__ or "").split("\n\n")]
    command = group.command(name, help="\n\n".join(paragraphs), short_help=short, epilog=f"Example: journeys {example}")
    command(function)


app = _group(
    "Ends customer journeys that just stop: touchpoints in, abandonments with their penalty out, "
    "live on Kafka and the same by replay.",
    "replay history.jsonl --output out.jsonl",
    CommandLine,
)


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=print_version,
            help="Print the versions of this package, its engine, its Kafka client and Python.",
        ),
    ] = False,
) -> None: ...


_broker = _group("A Kafka for development.", "broker start")
_topics = _group("The topics of the topic map.", "topics check")
_policy = _group("The constants of the rule.", "policy show --default")
_bigquery = _group("Tables and views in BigQuery.", "bigquery diff")
_stack = _group("The whole stack for development.", "stack up")
_sink = _group("Topics into tables, without Kafka Connect.", "sink bigquery")
_dead_letters = _group("Records that could not be processed.", "dead-letters list")

_add(
    app,
    "replay",
    replay.replay,
    "Replay a file or the input topic.",
    "replay history.jsonl --output out.jsonl",
)
_add(
    app,
    "backtest",
    backtest.backtest,
    "Compare policies on recorded history.",
    "backtest packed.parquet --policy patient.toml --policy hasty.toml",
)
_add(app, "pack", pack.pack, "Pack history for backtests.", "pack history.jsonl --output packed.parquet")
_add(app, "inspect", inspect.inspect, "Look at files of any shape.", "inspect visits.csv --write map.toml")
_add(app, "demo", demo.demo, "See it all work, in a minute.", "demo --second-worker")
_add(app, "generate", generate.generate, "Make up touchpoints for load.", "generate --journeys 10000 --seed 7")
_add(app, "ecom", ecom.ecom, "Write the demo's clickstream as lines.", "ecom --made 200 --output ecom.jsonl")
_add(app, "cdnow", cdnow.cdnow, "Write purchases of real customers as lines.", "cdnow --output cdnow.jsonl")
_add(app, "worker", worker.worker, "Run a worker on the input topic.", "worker --policy patient.toml")
_add(app, "produce", produce.produce, "Append records to the input topic.", "produce touchpoints.jsonl")
_add(app, "listen", listen.listen, "Take records as JSON over HTTP.", "listen --port 8047")
_add(app, "import", import_history.import_history, "Append history with its own time.", "import history.parquet")
_add(app, "watch", watch.watch, "Watch what is published.", "watch --seconds 60")
_add(
    app,
    "dashboard",
    dashboard.dashboard,
    "Look at journeys on a local page.",
    "dashboard history.jsonl --beside patient.toml",
)
_add(app, "show", show.show, "Show one journey.", "show journey-123")
_add(app, "abandon", manual_commands.abandon, "Abandon a journey by hand.", "abandon journey-123 --note 'asked for it'")
_add(app, "extend", manual_commands.extend, "Move a journey's timeout.", "extend journey-123 --days 7")
_add(app, "verify", verify.verify, "Compare live with a replay.", "verify --differences 50")
_add(app, "check", check.check, "Compare the stored table with the log.", "check --rebuild")
_add(
    app,
    "correct-clock",
    correct_clock.correct_clock,
    "Set a clock that was moved wrongly.",
    "correct-clock --dry-run",
)
_add(app, "export", report.export, "Write the topics as Parquet files.", "export --folder parquet")
_add(app, "report", report.report, "Show what was abandoned and what it cost.", "report --days 30 --html report.html")
_add(app, "config", config.config, "Show the settings.", "config")

_add(_broker, "start", broker.start, "Start it, and wait until it answers.", "broker start --port 9092")
_add(_broker, "stop", broker.stop, "Stop it and keep its data.", "broker stop")
_add(_broker, "status", broker.status, "Print where it is and whether it answers.", "broker status")
_add(_broker, "logs", broker.logs, "Print the end of its log.", "broker logs --lines 100")
app.add_typer(_broker, name="broker")

_add(_topics, "create", topics.create, "Create those that are missing.", "topics create --partitions 4")
_add(_topics, "check", topics.check, "Compare them with the topic map.", "topics check")
_add(
    _topics,
    "live",
    topics_live.live,
    "Make the topic live that history was imported into.",
    "topics live --note 'history is in'",
)
_add(_topics, "copy", topics_copy.copy, "Copy the log into new topics.", "topics copy new.env --partitions 16")
app.add_typer(_topics, name="topics")

_add(_policy, "show", policy.show, "Print the policy in force.", "policy show --default")
_add(_policy, "check", policy.check, "Check a policy file.", "policy check patient.toml")
_add(_policy, "set", policy.put, "Put a policy in force.", "policy set patient.toml")
_add(
    _policy,
    "propose",
    policy_propose.propose,
    "Propose thresholds from history.",
    "policy propose history.parquet --wrong-costs-days 20 --horizon-days 30 --output proposed.toml",
)
app.add_typer(_policy, name="policy")

_add(
    _dead_letters,
    "list",
    dead_letters.list_letters,
    "List them, counted by reason.",
    "dead-letters list --reason state --since 2026-01-31T12:00:00Z",
)
_add(
    _dead_letters,
    "show",
    dead_letters.show,
    "Show one and its fields.",
    "dead-letters show journey-events:2:17",
)
_add(
    _dead_letters,
    "retry",
    dead_letters.retry,
    "Append one again, or all that match.",
    "dead-letters retry journey-events:2:17 --with corrected.jsonl",
)
_add(
    _dead_letters,
    "skip",
    dead_letters.skip,
    "Pass over one record for good.",
    "dead-letters skip journey-events 2 17",
)
app.add_typer(_dead_letters, name="dead-letters")

_add(_bigquery, "apply", bigquery.apply, "Create and evolve them.", "bigquery apply --project mine")
_add(_bigquery, "diff", bigquery.diff, "Compare them with the contracts.", "bigquery diff")
_add(_bigquery, "ddl", bigquery.ddl, "Print them as SQL.", "bigquery ddl mine.journeys")
_add(
    _bigquery,
    "archive",
    bigquery.archive,
    "Move old rows into Parquet files.",
    "bigquery archive --older-than-days 400 --to gs://bucket/archive --really",
)
_add(
    _bigquery,
    "load",
    bigquery.load,
    "Load history from Parquet files.",
    "bigquery load --folder .journeys/parquet --really",
)
_add(_bigquery, "fill", bigquery.fill, "Load all files of an export.", "bigquery fill --folder parquet")
_add(_bigquery, "costs", bigquery.costs, "Print what a report would read.", "bigquery costs --days 30")
app.add_typer(_bigquery, name="bigquery")

_add(_sink, "bigquery", sink.bigquery, "Write them to BigQuery, exactly once.", "sink bigquery")
app.add_typer(_sink, name="sink")

_add(_stack, "up", stack.up, "Start all of it.", "stack up")
_add(_stack, "down", stack.down, "Stop all of it and keep its data.", "stack down")
_add(_stack, "env", stack.env, "Print settings for a worker.", "stack env")
_add(_stack, "status", stack.status, "Print what answers.", "stack status")
app.add_typer(_stack, name="stack")


_ended_by: list[int] = []


def _end_by_signal(number: int, _: object) -> None:
    from journeys.agents.files.whole_file import clear_all

    _ended_by.append(number)
    clear_all()
    sys.exit(128 + number)


def run() -> None:
    """Run the command of this process's arguments and end the process. The console script `journeys`."""
    require_streams()
    # What is being written is cleared away, as after Ctrl-C.
    signal.signal(signal.SIGTERM, _end_by_signal)
    if isinstance(sys.stdout, TextIOWrapper):  # where the terminal's encoding lacks a letter, its escape is printed
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception as error:
        if _ended_by:  # DuckDB makes an error of its own of what a signal raises within it
            sys.exit(128 + _ended_by[0])
        print_fault(error)
        sys.exit(1)
