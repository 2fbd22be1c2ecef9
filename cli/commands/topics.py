"""`journeys topics`: the topics, created and checked."""

from __future__ import annotations

from typing import Annotated

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Application, Json, Servers, settings_of
from journeys.cli.output import print_json, print_line


def create(
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=10_000, metavar="N", help="Partitions of each; those that exist decide.")
    ] = None,
    replication_factor: Annotated[int | None, typer.Option(min=1, metavar="N", help="Copies of each.")] = None,
    as_json: Json = False,
) -> None:
    """Create the topics of the topic map that are missing, with the settings that their meaning needs.

    Topics that exist are left as they are: `journeys topics check` says whether they fit.
    """
    from journeys.agents.kafka.topic_setup import create_topics
    from journeys.cli.operation import run_operation
    from journeys.cli.screen import Screen, new_table

    settings = settings_of(
        bootstrap_servers=bootstrap_servers,
        application_id=application_id,
        partitions=partitions,
        replication_factor=replication_factor,
    )
    outcomes = run_operation(create_topics(settings))
    if as_json:
        print_json(
            {
                "topics": [
                    {"topic": one.topic, "partitions": one.partition_count, "created": one.created} for one in outcomes
                ]
            }
        )
        return
    table = new_table("topic", "partitions", "")
    for outcome in outcomes:
        table.add_row(outcome.topic, str(outcome.partition_count), "created" if outcome.created else "was there")
    Screen().print(table)


def check(bootstrap_servers: Servers = None, application_id: Application = None, as_json: Json = False) -> None:
    """Compare the topics with the topic map, and with those that the table was made with; name each difference.

    Exits with 1 if a worker would refuse to start. Changes nothing.
    """
    from journeys.agents.inspect.stored_topics import check_topics_and_table
    from journeys.cli.operation import run_operation

    problems = run_operation(
        check_topics_and_table(settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id))
    )
    fits = not any(problem.severity == "error" for problem in problems)
    if as_json:
        print_json({"ok": fits, "problems": [problem._asdict() for problem in problems]})
    else:
        for problem in problems:
            print_line(f"{problem.severity}: {problem.text}")
        if not problems:
            print_line("all topics are as they must be")
    if not fits:
        raise typer.Exit(CHECK_FAILED)
