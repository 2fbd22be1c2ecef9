"""`journeys bigquery`: tables and views, created, compared, filled, archived and queried for costs."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.commands.report import Folder
from journeys.cli.options import Json, settings_of
from journeys.cli.output import print_error, print_json, print_line, print_lines

if TYPE_CHECKING:
    from journeys.agents.bigquery.archive import ArchiveRun

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


def apply(project: Project = None, dataset: Dataset = None, as_json: Json = False) -> None:
    """Create what is missing, add new nullable columns, replace views that have changed.

    Any other change of a table is refused before anything is done; `journeys bigquery diff` says what there is.
    """
    from journeys.agents.bigquery.client import client, warehouse
    from journeys.agents.bigquery.deployment import apply as run_apply

    target = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    with client(target) as connection:
        done = run_apply(connection, target)
    if as_json:
        print_json({"dataset": str(target.path), "changes": [change._asdict() for change in done]})
        return
    for change in done:
        print_line(f"done: {change.text}")
    if not done:
        print_line(f"{target.path} is as the contracts say")


def diff(project: Project = None, dataset: Dataset = None, as_json: Json = False) -> None:
    """Compare the dataset with the contracts and name each difference; exits with 1 if there is one.

    Changes nothing.
    """
    from journeys.agents.bigquery.client import client, warehouse
    from journeys.agents.bigquery.deployment import diff as run_diff

    target = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    with client(target) as connection:
        changes = run_diff(connection, target)
    if as_json:
        print_json(
            {"ok": not changes, "dataset": str(target.path), "changes": [change._asdict() for change in changes]}
        )
    else:
        for change in changes:
            print_line(f"{'refused' if change.kind == 'breaking' else 'to do'}: {change.text}")
        if not changes:
            print_line(f"{target.path} is as the contracts say")
    if changes:
        raise typer.Exit(CHECK_FAILED)


def fill(folder: Folder = None, project: Project = None, dataset: Dataset = None, as_json: Json = False) -> None:
    """Load all Parquet files of `journeys export` into the tables, touchpoints included: a first fill.

    Rows are added; views show each once, however often they are loaded. Load jobs are free of charge. Rows before 1990
    or more than a year ahead are left out.
    """
    from journeys.agents.bigquery.client import dataset_client, warehouse
    from journeys.agents.bigquery.table_fill import fill as run_fill
    from journeys.analytics.table import all_tables

    settings = settings_of(bigquery_project=project, bigquery_dataset=dataset)
    target = warehouse(settings)
    with dataset_client(target) as connection:
        run = run_fill(connection, target, folder or settings.data_dir / "parquet", all_tables())
    if as_json:
        tables = [{"table": f"{target.path}.{table}", "rows": count} for table, count in run.rows.items()]
        print_json({"tables": tables, "left_out": run.absurd})
        return
    for table, count in run.rows.items():
        print_line(f"{target.path}.{table}: {count:,} rows")
    _print_left_out(run.absurd)


def costs(
    days: Annotated[int, typer.Option(min=1, metavar="N", help="How many days before now.")] = 30,
    project: Project = None,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Ask BigQuery how many bytes each query of a report would read; nothing is run, and nothing paid for."""
    from journeys.agents.bigquery.client import dataset_client, warehouse
    from journeys.agents.bigquery.query_costs import report_bytes
    from journeys.clock import now_ms
    from journeys.schemas.instants import DAY_MS

    target = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    until = now_ms()
    with dataset_client(target) as connection:
        sizes = report_bytes(connection, target, until - days * DAY_MS, until)
    if as_json:
        print_json({"queries": [{"query": name, "bytes": count} for name, count in sizes.items()]})
        return
    for name, count in sizes.items():
        print_line(f"{name}: {count:,} bytes")
    if not any(sizes.values()):
        print_line("nothing is stored, or this is an emulator, which counts no bytes")


def ddl(dataset: Annotated[str, typer.Argument(metavar="PROJECT.DATASET", help="Where they are to be.")]) -> None:
    """Print the statements that create all tables and views, to be run by other means. Needs no BigQuery."""
    from journeys.analytics.ddl import statements

    print_lines("\n\n".join(statements(dataset)))


def archive(
    older_than_days: Annotated[
        int, typer.Option("--older-than-days", min=1, metavar="N", help="Rows of days that lie more than N days back.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Folder or bucket, such as gs://bucket/archive.")],
    *,
    really: Annotated[
        bool, typer.Option("--really", help="Do it; without this, only print what there is to do.")
    ] = False,
    table: Annotated[str | None, typer.Option("--table", metavar="NAME", help="Only this table.")] = None,
    project: Project = None,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Move old rows into Parquet files and delete them in BigQuery, day by day; exits with 1 if a day had to stay.

    A day is deleted only when its file has been read again and holds, by count and checksum, what BigQuery has. The
    next run goes on where one was interrupted. `journeys report --folder` reads what is archived. Keep at least 120
    days, so that no row of an open journey goes.
    """
    from datetime import timedelta

    from journeys.agents.bigquery.archive import archive as run_archive
    from journeys.agents.bigquery.archive import least_days_kept
    from journeys.agents.bigquery.archive_folder import ArchiveFolder
    from journeys.agents.bigquery.client import warehouse
    from journeys.agents.bigquery.table_days import today
    from journeys.analytics.table import tables

    target = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    before = today() - timedelta(days=older_than_days)
    chosen = [one for one in tables() if table in (None, one.name)]
    if not chosen:
        names = ", ".join(one.name for one in tables())
        raise typer.BadParameter(f"{table!r} is no table; use one of {names}", param_hint="--table")
    if older_than_days < least_days_kept():
        print_error(
            f"{older_than_days} days are few: views and reports know of open journeys what is in the tables, "
            f"for which {least_days_kept()} are needed (policies with longer journeys aside)"
        )
    run = run_archive(target, ArchiveFolder(to), before, really=really, chosen=chosen)
    _print_archive(run, before, as_json=as_json)
    if really and run.left:
        raise typer.Exit(CHECK_FAILED)


def _print_archive(run: ArchiveRun, before: date, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "before": str(before),
                "is_done": run.is_real,
                "days": [day._asdict() | {"day": str(day.day)} for day in run.days],
                "rows": run.rows,
                "bytes": run.bytes,
                "deleted": run.deleted,
            }
        )
        return
    for day in run.days:
        state = "would be archived" if not run.is_real else f"left in BigQuery: {day.left}" if day.left else "archived"
        print_line(f"{day.table} {day.day}: {day.rows:,} rows {state}")
    if not run.is_real:
        print_line(f"before {before}: {run.rows:,} rows to archive; nothing was changed, --really does it")
        return
    print_line(
        f"before {before}: {run.rows:,} rows archived ({run.bytes:,} bytes), {run.deleted:,} deleted, "
        f"{run.seconds:.1f} s, {run.rows / run.seconds:,.0f} rows/s"
    )


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
    really: Annotated[
        bool, typer.Option("--really", help="Do it; without this, only print what there is to do.")
    ] = False,
    project: Project = None,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Load history from Parquet files of `journeys export`, or bring an archive back; rows that are there stay one.

    Rows before 1990 or more than a year ahead are left out. Run it again after an interruption.
    """
    from datetime import timedelta

    from journeys.agents.bigquery.client import warehouse
    from journeys.agents.bigquery.event_time import STREAMED_DAYS_BACK
    from journeys.agents.bigquery.history_load import load as run_load
    from journeys.agents.bigquery.table_days import today

    target = warehouse(settings_of(bigquery_project=project, bigquery_dataset=dataset))
    # A day more than what no stream takes: a stream's window moves on while rows are under way.
    back = STREAMED_DAYS_BACK - 1 if older_than_days is None else older_than_days
    run = run_load(target, folder, today() - timedelta(days=back), really=really)
    if as_json:
        years = [year._asdict() for year in run.years]
        print_json({"is_done": really, "years": years, "rows": run.rows, "left_out": run.absurd})
        return
    for year in run.years:
        state = "loaded" if really else "would be loaded"
        print_line(f"{year.table} {year.year}: {year.rows:,} rows {state}, {year.present:,} were there")
    _print_left_out(run.absurd)
    if really:
        print_line(f"{run.rows:,} rows loaded, {run.seconds:.1f} s")
    else:
        print_line(f"{run.rows:,} rows of more than {back:,} days ago to load; nothing was changed, --really does it")


def _print_left_out(absurd: int) -> None:
    if absurd:
        print_line(f"{absurd:,} rows left out: before 1990, or more than a year ahead")
