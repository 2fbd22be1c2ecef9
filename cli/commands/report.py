"""`journeys export` and `journeys report`: the topics as Parquet files, and reports over them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.analytics.shares import HORIZON_DAYS
from journeys.cli.files.history_input import (
    AsLogged,
    Map,
    Sort,
    history_input,
    require_records,
    tell_left_out,
    tell_order,
)
from journeys.cli.options import HorizonDays, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_json, print_line, print_note
from journeys.schemas.instants import DAY_MS

if TYPE_CHECKING:
    from polars import DataFrame
    from rich.table import Table

    from journeys.agents.history.open_history import HistoryFile
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
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="History: files or folders as for `journeys replay`, or - for standard input; or a file of "
            "`journeys backtest --abandonments`. Without any, the Parquet files of `journeys export`.",
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many days before the newest abandonment [of files: all; else 30]."),
    ] = None,
    folder: Folder = None,
    *,
    horizon_days: HorizonDays = HORIZON_DAYS,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Policy (TOML) for history, in place of the default.")
    ] = None,
    policy_version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Of a file of `journeys backtest --abandonments`: of which policy."),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page with charts.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what was abandoned and what it cost: of history in files, or of the topics by `journeys export`.

    Of files the rule is applied first, as `journeys replay` does. Needs no cloud and no Kafka.
    """
    from journeys import analytics
    from journeys.agents.files.whole_file import require_writable, whole_file

    if html is not None:
        require_writable(html, files or ())
    from journeys.agents.history.abandonment_file import is_abandonment_file

    of_abandonments = bool(files) and is_abandonment_file(files or ())
    if policy_version is not None and not of_abandonments:
        raise typer.BadParameter("--policy-version is for a file of journeys backtest --abandonments: name one")
    if not files or of_abandonments:
        for name, given in {"--map": mapping, "--policy": policy, "--sort": sort, "--as-logged": as_logged}.items():
            if given:
                raise typer.BadParameter(f"{name} is for history in files: name some")
    if not files:
        made = analytics.report(
            days or 30, folder=folder or settings_of().data_dir / "parquet", horizon_days=horizon_days
        )
    elif folder is not None:
        raise typer.BadParameter("--folder names an export of the topics; files are history: give one of them")
    elif of_abandonments:
        made = _of_abandonments(files[0], policy_version, days, horizon_days)
    else:
        with history_input(files, mapping=mapping, sort=sort, as_logged=as_logged) as file:
            made = _of_history(file, policy, days, horizon_days, quiet=quiet)
    if html is not None:
        from journeys.analytics.page import page

        with whole_file(html) as partial:
            partial.write_text(page(made), "utf-8")
    if as_json:
        print_json(_json(made, html))
    else:
        _print_tables(made, html)


def _of_abandonments(path: str, version: str | None, days: int | None, horizon_days: float) -> Report:
    """Report on abandonments alone: of conversions and returns their file knows nothing."""
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    import polars

    from journeys import analytics
    from journeys.agents.history.abandonment_file import write_abandonments

    with TemporaryDirectory(prefix="journeys-") as made:
        span_days = write_abandonments(path, version, Path(made))
        report = analytics.report(days or span_days, folder=Path(made), horizon_days=horizon_days)
    outcomes = report.outcomes.with_columns(conversions=polars.lit(None, polars.Int64))
    return replace(report, outcomes=outcomes, after=report.after.clear(), by_channel=report.by_channel.clear())


def _of_history(
    file: HistoryFile, policy: Path | None, days: int | None, horizon_days: float, *, quiet: bool
) -> Report:
    """Apply the rule to history, and report on what came of it."""
    from tempfile import TemporaryDirectory

    from journeys import analytics
    from journeys.agents.history.log_order import LogOrder
    from journeys.agents.history.outcome_tables import write_outcome
    from journeys.agents.settings.policy_file import load_policy
    from journeys.cli.files.bad_lines import BadLines

    bad_lines = BadLines(file.name)
    order = LogOrder()
    replaced = None if policy is None else load_policy(policy)
    with TemporaryDirectory(prefix="journeys-") as made:
        numbered: Any = order.watched(bad_lines.left_out(file))
        outcome = write_outcome(file, numbered, replaced, Path(made))
        bad_lines.close()
        tell_left_out(file, quiet=quiet)
        tell_order(file, order)
        require_records(file, outcome.records, bad_lines.count)
        note = f"{outcome.abandonments:,} abandonments of {outcome.records:,} records; {outcome.open:,} still open"
        print_note(f"{note} at the last record; bad lines: {bad_lines.count:,}", quiet=quiet)
        span_ms = outcome.last_at - outcome.first_at
        days = days or max(1, span_ms // DAY_MS + 1)
        return analytics.report(days, folder=Path(made), horizon_days=horizon_days)


def _json(made: Report, html: Path | None) -> dict[str, Any]:
    from journeys.analytics.query import queries
    from journeys.cli.json_fields import json_instant

    return {
        "since": json_instant(made.since),
        "until": json_instant(made.until),
        "timeout_rate": made.timeout_rate,
        "horizon_days": made.horizon_days,
        "return_rate": made.return_rate,
        "after": made.after.to_dicts(),
        **{query.name: getattr(made, query.name).to_dicts() for query in queries()},
        "page": None if html is None else str(html),
    }


def _print_tables(made: Report, html: Path | None) -> None:
    from journeys.analytics.after_table import LEFT, after_line, after_meaning, after_table
    from journeys.analytics.query import queries
    from journeys.cli.screen import Screen, new_table
    from journeys.schemas.instants import format_instant

    print_line(f"from {format_instant(made.since)} to {format_instant(made.until)}, dollars")
    print_line(f"timeout rate: {'-' if made.timeout_rate is None else f'{made.timeout_rate:.1%}'}")
    after = made.after.to_dicts()
    for outcome in ("returned", "converted"):
        print_line(after_line(outcome, after, made.horizon_days))
    for query in queries():
        print_line(query.title)
        Screen().print(_table(getattr(made, query.name)))
    print_line(after_meaning(made.horizon_days))
    headings, rows = after_table(after)
    table = new_table(*headings, right=set(headings) - LEFT)
    for row in rows:
        table.add_row(*row)
    Screen().print(table)
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
