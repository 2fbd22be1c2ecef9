"""`journeys bigquery`: the tables and views, compared with the contracts and brought to them."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.command_line import CHECK_FAILED
from agents.cli.options import settings_of

Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        metavar="PROJECT",
        help="Project in BigQuery [env JOURNEYS_BIGQUERY_PROJECT; else the emulator for development]",
    ),
]
Dataset = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="Its dataset [env JOURNEYS_BIGQUERY_DATASET]")
]


def apply(project: Project = None, dataset: Dataset = None) -> None:
    """Create what is missing, add new nullable columns, replace views that have changed.

    Any other change of a table is refused before anything is done; `journeys bigquery diff` says what there is.
    """
    from agents.bigquery.client import client, warehouse
    from agents.bigquery.deployment import apply as bring

    house = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    with client(house) as asked:
        done = bring(asked, house)
    for change in done:
        typer.echo(f"done: {change.text}")
    if not done:
        typer.echo(f"{house.path} is as the contracts say")


def diff(project: Project = None, dataset: Dataset = None) -> None:
    """Compare the dataset with the contracts and name each difference; exits with 1 if there is one.

    Changes nothing.
    """
    from agents.bigquery.client import client, warehouse
    from agents.bigquery.deployment import diff as compared

    house = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    with client(house) as asked:
        changes = compared(asked, house)
    for change in changes:
        typer.echo(f"{'refused' if change.kind == 'breaking' else 'to do'}: {change.text}")
    if changes:
        raise typer.Exit(CHECK_FAILED)
    typer.echo(f"{house.path} is as the contracts say")


def ddl(dataset: Annotated[str, typer.Argument(metavar="PROJECT.DATASET", help="Where they are to be.")]) -> None:
    """Print the statements that create all tables and views, for those who deploy by text. Needs no BigQuery."""
    from analytics.ddl import statements

    typer.echo("\n\n".join(statements(dataset)))
