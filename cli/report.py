"""`journeys export` and `journeys report`: the topics as Parquet files, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.options import Servers, settings_of

if TYPE_CHECKING:
    from polars import DataFrame

Folder = Annotated[
    Path | None, typer.Option("--folder", metavar="FOLDER", help="Of the Parquet files; without it .journeys/parquet.")
]


def export(folder: Folder = None, bootstrap_servers: Servers = None) -> None:
    """Write abandonments, lifecycle and touchpoints, as the topics hold them now, into Parquet files.

    Replaces an earlier export.
    """
    from journeys.agents.history.parquet_export import export as run_export
    from journeys.cli.operation import run_operation

    settings = settings_of(bootstrap_servers=bootstrap_servers)
    where = folder or settings.data_dir / "parquet"
    for table, rows in run_operation(run_export(settings, where)).items():
        typer.echo(f"{where / table}: {rows:,} rows")


def report(
    days: Annotated[int, typer.Option(min=1, metavar="N", help="How many days before the newest abandonment.")] = 30,
    folder: Folder = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page with charts.")] = None,
) -> None:
    """Show what was abandoned and what it cost, over the Parquet files of `journeys export`. Needs no cloud."""
    from rich.console import Console

    from journeys import analytics
    from journeys.schemas.instants import format_instant

    made = analytics.report(days, folder=folder or settings_of().data_dir / "parquet")
    console = Console()
    console.print(f"from {format_instant(made.since)} to {format_instant(made.until)}, dollars", highlight=False)
    rates = {"timeout rate": made.timeout_rate, "return rate": made.return_rate}
    for name, rate in rates.items():
        console.print(f"{name}: {'-' if rate is None else f'{rate:.1%}'}", highlight=False)
    from journeys.analytics.query import queries

    for query in queries():
        _show(console, query.title, getattr(made, query.name))
    if html is not None:
        from journeys.analytics.page import page

        html.write_text(page(made), "utf-8")
        typer.echo(f"page: {html}")


def _show(console: object, title: str, frame: DataFrame) -> None:
    import polars
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)
    table = Table(title=title, title_justify="left", show_edge=False)
    for name in frame.columns:
        is_text = frame[name].dtype == polars.String
        table.add_column(name.removesuffix("_micros").replace("_", " "), justify="left" if is_text else "right")
    for row in frame.iter_rows():
        table.add_row(*(_said(name, value) for name, value in zip(frame.columns, row, strict=True)))
    console.print(table)


def _said(name: str, value: object) -> str:
    from journeys.schemas.money import format_dollars

    if isinstance(value, int):
        return format_dollars(value) if name.endswith("_micros") else f"{value:,}"
    return "-" if value is None else str(value)
