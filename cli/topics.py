"""`journeys topics`: the topics, created and checked."""

from __future__ import annotations

from typing import Annotated

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Application, Servers, settings_of


def create(
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=10_000, metavar="N", help="Partitions of each; those that exist decide.")
    ] = None,
    replication_factor: Annotated[int | None, typer.Option(min=1, metavar="N", help="Copies of each.")] = None,
) -> None:
    """Create the topics of the topic map that are missing, with the settings that their meaning needs.

    Topics that exist are left as they are: `journeys topics check` says whether they will do.
    """
    from rich.console import Console
    from rich.table import Table

    from journeys.agents.kafka.topic_setup import create_topics
    from journeys.cli.operation import run_operation

    settings = settings_of(
        bootstrap_servers=bootstrap_servers,
        application_id=application_id,
        partitions=partitions,
        replication_factor=replication_factor,
    )
    table = Table("topic", "partitions", "", show_edge=False)
    for outcome in run_operation(create_topics(settings)):
        table.add_row(outcome.topic, str(outcome.partition_count), "created" if outcome.created else "was there")
    Console().print(table)


def check(bootstrap_servers: Servers = None, application_id: Application = None) -> None:
    """Compare the topics with the topic map and name each difference, with the command that mends it.

    Exits with 1 if a worker would refuse to start. Changes nothing.
    """
    from journeys.agents.kafka.topic_setup import check_topics
    from journeys.cli.operation import run_operation

    problems = run_operation(
        check_topics(settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id))
    )
    for problem in problems:
        typer.echo(f"{problem.severity}: {problem.text}")
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(CHECK_FAILED)
    if not problems:
        typer.echo("all topics are as they must be")
