"""`journeys export` and `journeys report`: the topics as Parquet files, and reports over them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.options import Json, Servers, settings_of
from journeys.cli.output import print_json, print_line

if TYPE_CHECKING:
    from polars import DataFrame
    from rich.table import Table

    from journeys.analytics.abandonment_report import Report

Folder = Annotated[
    Path | None, typer.Option("--folder", metavar="FOLDER", help="Of the Parquet files; without it .journeys/parquet.")
]


def export(folder: Folder = None, bootstrap_servers: Servers = None, as_json: Json = False) -> None:
    """Write abandonments, lifecycle and touchpoints, as the topics hold them now, into Parquet files.

    Replaces an earlier export.
    """
    from journeys.agents.history.parquet_export import export as run_export
    from journeys.cli.operation import run_operation

    settings = settings_of(bootstrap_servers=bootstrap_servers)
    where = folder or settings.data_dir / "parquet"
    tables = run_operation(run_export(settings, where))
    if as_json:
        print_json({"tables": [{"folder": str(where / table), "rows": rows} for table, rows in tables.items()]})
        return
    for table, rows in tables.items():
        print_line(f"{where / table}: {rows:,} rows")


def report(
    days: Annotated[int, typer.Option(min=1, metavar="N", help="How many days before the newest abandonment.")] = 30,
    folder: Folder = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page with charts.")] = None,
    as_json: Json = False,
) -> None:
    """Show what was abandoned and what it cost, over the Parquet files of `journeys export`. Needs no cloud."""
    from journeys import analytics

    made = analytics.report(days, folder=folder or settings_of().data_dir / "parquet")
    if html is not None:
        from journeys.analytics.page import page

        html.write_text(page(made), "utf-8")
    if as_json:
        print_json(_json(made, html))
    else:
        _print_tables(made, html)


def _json(made: Report, html: Path | None) -> dict[str, Any]:
    from journeys.analytics.query import queries
    from journeys.cli.json_fields import json_instant

    return {
        "since": json_instant(made.since),
        "until": json_instant(made.until),
        "timeout_rate": made.timeout_rate,
        "return_rate": made.return_rate,
        **{query.name: getattr(made, query.name).to_dicts() for query in queries()},
        "page": None if html is None else str(html),
    }


def _print_tables(made: Report, html: Path | None) -> None:
    from journeys.analytics.query import queries
    from journeys.cli.screen import Screen
    from journeys.schemas.instants import format_instant

    print_line(f"from {format_instant(made.since)} to {format_instant(made.until)}, dollars")
    rates = {"timeout rate": made.timeout_rate, "return rate": made.return_rate}
    for name, rate in rates.items():
        print_line(f"{name}: {'-' if rate is None else f'{rate:.1%}'}")
    for query in queries():
        print_line(query.title)
        Screen().print(_table(getattr(made, query.name)))
    if html is not None:
        print_line(f"page: {html}")


def _table(frame: DataFrame) -> Table:
    import polars

    from journeys.cli.screen import new_table

    headings = {name: name.removesuffix("_micros").replace("_", " ") for name in frame.columns}
    right = [heading for name, heading in headings.items() if frame[name].dtype != polars.String]
    table = new_table(*headings.values(), right=right)
    for row in frame.iter_rows():
        table.add_row(*(_cell(name, value) for name, value in zip(frame.columns, row, strict=True)))
    return table


def _cell(name: str, value: object) -> str:
    from journeys.schemas.money import format_dollars

    if isinstance(value, int):
        return format_dollars(value) if name.endswith("_micros") else f"{value:,}"
    return "-" if value is None else str(value)
