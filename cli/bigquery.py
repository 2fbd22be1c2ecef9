"""`journeys bigquery`: tables and views brought to the contracts, filled from files, asked, and their archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from journeys.cli.command_line import CHECK_FAILED, complain
from journeys.cli.options import settings_of
from journeys.cli.report import Folder

Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        metavar="PROJECT",
        help="Project in BigQuery [env JOURNEYS_BIGQUERY_PROJECT; else the emulator for development]",
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="Its dataset [env JOURNEYS_BIGQUERY_DATASET; else journeys]"),
]


def apply(project: Project = None, dataset: Dataset = None) -> None:
    """Create what is missing, add new nullable columns, replace views that have changed.

    Any other change of a table is refused before anything is done; `journeys bigquery diff` says what there is.
    """
    from journeys.agents.bigquery.client import client, warehouse
    from journeys.agents.bigquery.deployment import apply as bring

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
    from journeys.agents.bigquery.client import client, warehouse
    from journeys.agents.bigquery.deployment import diff as compared

    house = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    with client(house) as asked:
        changes = compared(asked, house)
    for change in changes:
        typer.echo(f"{'refused' if change.kind == 'breaking' else 'to do'}: {change.text}")
    if changes:
        raise typer.Exit(CHECK_FAILED)
    typer.echo(f"{house.path} is as the contracts say")


def fill(folder: Folder = None, project: Project = None, dataset: Dataset = None) -> None:
    """Load all Parquet files of `journeys export` into the tables, touchpoints included: a first fill.

    Rows are added; views show each once, however often they are loaded. Load jobs are free of charge. Rows before 1990
    or more than a year ahead are left out.
    """
    from journeys.agents.bigquery.client import dataset_client, warehouse
    from journeys.agents.bigquery.table_fill import fill as run_fill
    from journeys.analytics.table import all_tables

    settings = settings_of(bigquery_project=project, bigquery_dataset=dataset)
    house = warehouse(settings)
    with dataset_client(house) as asked:
        run = run_fill(asked, house, folder or settings.data_dir / "parquet", all_tables())
    for table, count in run.rows.items():
        typer.echo(f"{house.path}.{table}: {count:,} rows")
    _say_left_out(run.absurd)


def costs(
    days: Annotated[int, typer.Option(min=1, metavar="N", help="How many days before now.")] = 30,
    project: Project = None,
    dataset: Dataset = None,
) -> None:
    """Ask BigQuery how many bytes each query of a report would read; nothing is run, and nothing paid for."""
    from journeys.agents.bigquery.client import dataset_client, warehouse
    from journeys.agents.bigquery.query_costs import report_bytes
    from journeys.clock import now_ms
    from journeys.schemas.instants import DAY_MS

    house = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    until = now_ms()
    with dataset_client(house) as asked:
        found = report_bytes(asked, house, until - days * DAY_MS, until)
    for name, count in found.items():
        typer.echo(f"{name}: {count:,} bytes")
    if not any(found.values()):
        typer.echo("nothing is stored, or this is an emulator, which counts no bytes")


def ddl(dataset: Annotated[str, typer.Argument(metavar="PROJECT.DATASET", help="Where they are to be.")]) -> None:
    """Print the statements that create all tables and views, for those who deploy by text. Needs no BigQuery."""
    from journeys.analytics.ddl import statements

    typer.echo("\n\n".join(statements(dataset)))


def archive(
    older_than_days: Annotated[
        int, typer.Option("--older-than-days", min=1, metavar="N", help="Rows of days that lie more than N days back.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Folder or bucket, such as gs://bucket/archive.")],
    *,
    really: Annotated[bool, typer.Option("--really", help="Do it; without this only say what there is to do.")] = False,
    table: Annotated[str | None, typer.Option("--table", metavar="NAME", help="Only this table.")] = None,
    project: Project = None,
    dataset: Dataset = None,
) -> None:
    """Move old rows into Parquet files and delete them in BigQuery, day by day; exits with 1 if a day had to stay.

    A day is deleted only when its file has been read again and holds, by count and checksum, what BigQuery has. A run
    that was cut off is taken up by the next one. `journeys report --folder` reads what is archived. Keep at least 120
    days, so that no row of an open journey goes.
    """
    from datetime import timedelta

    from journeys.agents.bigquery.archive import archive as run_archive
    from journeys.agents.bigquery.archive import least_days_kept
    from journeys.agents.bigquery.archive_folder import ArchiveFolder
    from journeys.agents.bigquery.client import warehouse
    from journeys.agents.bigquery.table_days import today
    from journeys.analytics.table import tables

    house = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    before = today() - timedelta(days=older_than_days)
    chosen = [one for one in tables() if table in (None, one.name)]
    if not chosen:
        names = ", ".join(one.name for one in tables())
        raise typer.BadParameter(f"{table!r} is no table; use one of {names}", param_hint="--table")
    if older_than_days < least_days_kept():
        complain(
            f"{older_than_days} days are few: views and reports know of open journeys what is in the tables, "
            f"for which {least_days_kept()} are needed (policies with longer journeys aside)"
        )
    run = run_archive(house, ArchiveFolder(to), before, really=really, chosen=chosen)
    for day in run.days:
        said = "would be archived" if not really else f"left in BigQuery: {day.left}" if day.left else "archived"
        typer.echo(f"{day.table} {day.day}: {day.rows:,} rows {said}")
    if not really:
        typer.echo(f"before {before}: {run.rows:,} rows to archive; nothing was changed, --really does it")
        return
    typer.echo(
        f"before {before}: {run.rows:,} rows archived ({run.bytes:,} bytes), {run.deleted:,} deleted, "
        f"{run.seconds:.1f} s, {run.rows / run.seconds:,.0f} rows/s"
    )
    if run.left:
        raise typer.Exit(CHECK_FAILED)


def load(
    folder: Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Of an export, or of an archive.")],
    *,
    older_than_days: Annotated[
        int | None,
        typer.Option(
            "--older-than-days",
            min=0,
            metavar="N",
            help="Rows of days that lie more than N days back; without it, those that are too old to be streamed.",
        ),
    ] = None,
    really: Annotated[bool, typer.Option("--really", help="Do it; without this only say what there is to do.")] = False,
    project: Project = None,
    dataset: Dataset = None,
) -> None:
    """Load history from Parquet files of `journeys export`, or bring an archive back; rows that are there stay one.

    Rows before 1990 or more than a year ahead are left out. A run that was cut off is run again.
    """
    from datetime import timedelta

    from journeys.agents.bigquery.client import warehouse
    from journeys.agents.bigquery.event_time import STREAMED_DAYS_BACK
    from journeys.agents.bigquery.history_load import load as run_load
    from journeys.agents.bigquery.table_days import today

    house = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    # A day more than what no stream takes: a stream's window moves on while rows are under way.
    back = STREAMED_DAYS_BACK - 1 if older_than_days is None else older_than_days
    run = run_load(house, folder, today() - timedelta(days=back), really=really)
    for year in run.years:
        said = "loaded" if really else "would be loaded"
        typer.echo(f"{year.table} {year.year}: {year.rows:,} rows {said}, {year.present:,} were there")
    _say_left_out(run.absurd)
    if really:
        typer.echo(f"{run.rows:,} rows loaded, {run.seconds:.1f} s")
    else:
        typer.echo(f"{run.rows:,} rows of more than {back:,} days ago to load; nothing was changed, --really does it")


def _say_left_out(absurd: int) -> None:
    if absurd:
        typer.echo(f"{absurd:,} rows left out: before 1990, or more than a year ahead")
