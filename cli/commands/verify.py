"""`journeys verify`: whether live published what a replay of the input gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Application, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_error, print_json, print_line

if TYPE_CHECKING:
    from journeys.agents.verify.output_comparison import TopicComparison
    from journeys.agents.verify.verification import VerifyReport

_COUNTS = (
    "applied",
    "late",
    "duplicate",
    "refused",
    "dead",
    "punctuations",
    "policies",
    "clock_corrections",
    "time_source_changes",
    "marks",
)


def verify(
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    differences: Annotated[int, typer.Option(min=0, metavar="N", help="How many of each topic to put in words.")] = 10,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Replay the input topic and compare with what the live run published, by id and field by field.

    Exits with 1 if anything is missing, extra or different. The policies are those in the log.
    """
    from journeys.agents.verify.verification import verify as run_verify
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar

    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    with progress_bar("verifying", quiet=quiet) as advance:
        report = run_operation(run_verify(settings, shown=differences, progress=advance))
    if as_json:
        print_json(_json(report))
    else:
        print_report(report)
    if not report.ok:
        raise typer.Exit(CHECK_FAILED)


def _topics(report: VerifyReport) -> tuple[TopicComparison, ...]:
    return (report.abandonments, report.lifecycle, report.dead_letters)


def _json(report: VerifyReport) -> dict[str, Any]:
    from journeys.cli.json_fields import json_attributes
    from journeys.cli.views.topic_table import topics_json

    return {
        "ok": report.ok,
        "topics": topics_json(_topics(report)),
        "records_read": report.records_read,
        "counts": json_attributes(report.counts, _COUNTS),
        "counts_add_up": report.counts_add_up,
        "lag": report.lag_total,
        "replaced": report.replaced,
    }


def print_report(report: VerifyReport) -> None:
    """Print a verification: counts as a table, then the differences, then warnings."""
    from journeys.cli.screen import Screen
    from journeys.cli.views.topic_table import print_differences, topic_table

    compared = _topics(report)
    Screen().print(topic_table("live against replay", compared))
    counts = report.counts
    rare = ((counts.clock_corrections, "clock corrections"), (counts.time_source_changes, "changes to live time"))
    print_line(
        f"input: {report.records_read:,} records = {counts.applied:,} applied + {counts.late:,} late + "
        f"{counts.duplicate:,} duplicate + {counts.refused:,} refused + {counts.dead:,} dead + "
        f"{counts.punctuations:,} punctuations + {counts.policies:,} policies + {counts.marks:,} marks"
        + "".join(f" + {count:,} {name}" for count, name in rare if count)
        + ("" if report.counts_add_up else f": that is {counts.read:,}, and should be {report.records_read:,}")
    )
    print_differences(compared)
    for line in report.replaced:
        print_line(line)
    if report.lag_total:
        print_error(f"{report.lag_total:,} input records were not processed yet: what they bring is missing, not lost")
    ahead = sum(topic.ahead for topic in compared)
    if ahead:
        print_error(f"{ahead:,} outputs were published meanwhile and are not compared")
