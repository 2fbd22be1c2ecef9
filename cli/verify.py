"""`journeys verify`: whether live published what a replay of the input gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.command_line import CHECK_FAILED, complain
from journeys.cli.options import Application, Servers, settings_of

if TYPE_CHECKING:
    from rich.console import Console

    from journeys.agents.verify.verification import VerifyReport


def verify(
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    differences: Annotated[int, typer.Option(min=0, metavar="N", help="How many of each topic to put in words.")] = 10,
) -> None:
    """Replay the input topic and compare with what the live run published, by id and field by field.

    Exits with 1 if anything is missing, extra or different. The policies are those in the log.
    """
    from rich.console import Console

    from journeys.agents.verify.verification import verify as run_verify
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar

    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    with progress_bar("verifying") as advance:
        report = run_operation(run_verify(settings, shown=differences, progress=advance))
    show_report(report, Console())
    if not report.ok:
        raise typer.Exit(CHECK_FAILED)


def show_report(report: VerifyReport, console: Console) -> None:
    """Print a verification: counts as a table, then the differences, then what else to know."""
    from rich.markup import escape

    from journeys.cli.topic_table import topic_table

    compared = (report.abandonments, report.lifecycle, report.dead_letters)
    console.print(topic_table("live against replay", "published twice", compared))
    counts = report.counts
    console.print(
        f"input: {report.records_read:,} records = {counts.applied:,} applied + {counts.late:,} late + "
        f"{counts.duplicate:,} duplicate + {counts.refused:,} refused + {counts.dead:,} dead + "
        f"{counts.punctuations:,} punctuations + {counts.policies:,} policies"
        + ("" if report.counts_add_up else f": that is {counts.read:,}, and should be {report.records_read:,}"),
        highlight=False,
        soft_wrap=True,
    )
    for topic in compared:
        for difference in topic.differences:
            console.print(escape(difference.text), highlight=False, soft_wrap=True)
    if report.lag_total:
        complain(f"{report.lag_total:,} input records were not processed yet: what they bring is missing, not lost")
    ahead = sum(topic.ahead for topic in compared)
    if ahead:
        complain(f"{ahead:,} outputs were published meanwhile and are not compared")
