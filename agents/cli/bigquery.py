"""`journeys bigquery`: tables and views brought to the contracts, loaded from files, and what asking them costs."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.cli.command_line import CHECK_FAILED
from agents.cli.options import settings_of
from agents.cli.report import Folder

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


def load(folder: Folder = None, project: Project = None, dataset: Dataset = None) -> None:
    """Load the Parquet files of `journeys export` into the tables, for a first fill or history of any age.

    Rows are added; views show each once, however often they are loaded. Load jobs are free of charge.
    """
    from agents.bigquery.client import client, warehouse
    from agents.bigquery.parquet_load import load as fill
    from analytics.table import all_tables

    settings = settings_of(bigquery_project=project, bigquery_dataset=dataset)
    house = warehouse(settings)
    with client(house) as asked:
        rows = fill(asked, house, folder or settings.data_dir / "parquet", all_tables())
    for table, count in rows.items():
        typer.echo(f"{house.path}.{table}: {count:,} rows")


def costs(
    days: Annotated[int, typer.Option(min=1, metavar="N", help="How many days before now.")] = 30,
    project: Project = None,
    dataset: Dataset = None,
) -> None:
    """Ask BigQuery how many bytes each query of a report would read; nothing is run, and nothing paid for."""
    import time

    from agents.bigquery.client import client, warehouse
    from agents.bigquery.query_costs import report_bytes
    from schemas.instants import DAY_MS

    house = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    until = round(time.time() * 1000)
    with client(house) as asked:
        found = report_bytes(asked, house, until - days * DAY_MS, until)
    for name, count in found.items():
        typer.echo(f"{name}: {count:,} bytes")
    if not any(found.values()):
        typer.echo("nothing is stored, or this is an emulator, which counts no bytes")


def ddl(dataset: Annotated[str, typer.Argument(metavar="PROJECT.DATASET", help="Where they are to be.")]) -> None:
    """Print the statements that create all tables and views, for those who deploy by text. Needs no BigQuery."""
    from analytics.ddl import statements

    typer.echo("\n\n".join(statements(dataset)))
