"""`journeys dead-letters`: records that could not be processed: list, show, and retry once corrected."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.instant import instant
from journeys.cli.options import Application, Json, Quiet, Servers, settings_of
from journeys.cli.output import print_error, print_json, print_line, print_note
from journeys.cli.store import RequestedBy

if TYPE_CHECKING:
    from journeys.agents.inspect.dead_letters import LetterFilter, Place
    from journeys.agents.settings.settings import Settings
    from journeys.schemas.records import JourneyRecord

_SHOWN_FAILURES: Final = 20

Reason = Annotated[str, typer.Option(metavar="TEXT", help="Only those with this text in their reason.")]
Partition = Annotated[int | None, typer.Option(min=0, metavar="N", help="Only those of this partition.")]
Since = Annotated[
    int | None, typer.Option(parser=instant, metavar="INSTANT", help="Only records appended then or later.")
]
Where = Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="Where the record is, as list says.")]


def list_letters(
    bootstrap_servers: Servers = None,
    reason: Reason = "",
    partition: Partition = None,
    since: Since = None,
    limit: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many of each partition to show, the latest.")
    ] = 50,
    as_json: Json = False,
) -> None:
    """List dead letters with what is wrong and whether they were retried, and count them by reason.

    A record that was retried and is dead again is a dead letter of its own. Looking for retries reads the input
    topic from the oldest letter that is meant: --since makes that short.
    """
    from journeys.agents.inspect.dead_letters import LetterFilter
    from journeys.cli.operation import run_operation
    from journeys.cli.views.dead_letter_list import DeadLetterList

    settings = settings_of(bootstrap_servers=bootstrap_servers)
    listed = DeadLetterList(limit)
    run_operation(listed.read(settings, LetterFilter(reason, partition, since)))
    if as_json:
        print_json(listed.json())
    else:
        listed.print_tables()


def show(place: Where, bootstrap_servers: Servers = None, as_json: Json = False) -> None:
    """Show one dead letter: where its record is, why it was not processed, and its fields as far as readable."""
    from journeys.cli.operation import run_operation
    from journeys.cli.views.dead_letter_view import letter_view

    view = run_operation(letter_view(settings_of(bootstrap_servers=bootstrap_servers), _place(place)))
    if as_json:
        print_json(view.json())
    else:
        view.print_table()


def retry(
    place: Annotated[
        str | None, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="Where the record is, as list says.")
    ] = None,
    bootstrap_servers: Servers = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that there are, or all that the filters leave.")] = False,
    reason: Reason = "",
    partition: Partition = None,
    since: Since = None,
    correction: Annotated[
        str | None,
        typer.Option("--with", metavar="FILE", help="A file of one line (JSON) to send in place of the record."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was retried already.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Append the record of a dead letter to the input topic again, once its fault is corrected.

    It gets a new offset there and names its origin in headers; it counts from its new place on, so a touchpoint
    may have become late meanwhile. Exits with 1 if one still can't be processed.
    """
    from journeys.agents.inspect.dead_letters import LetterFilter
    from journeys.cli.operation import run_operation

    if (place is None) != every:
        raise typer.BadParameter("name one TOPIC:PARTITION:OFFSET, or give --all, with or without filters")
    if place is not None and (reason or partition is not None or since is not None):
        raise typer.BadParameter("a filter goes with --all, not with one TOPIC:PARTITION:OFFSET")
    if correction is not None and place is None:
        raise typer.BadParameter("a corrected record stands for one: name its TOPIC:PARTITION:OFFSET")
    settings = settings_of(bootstrap_servers=bootstrap_servers)
    wanted = LetterFilter(reason, partition, since, None if place is None else _place(place))
    record = None if correction is None else _corrected(correction)
    outcomes = run_operation(_retry(settings, wanted, record, again, print_lines=not as_json))
    counts = Counter(outcome["outcome"] for outcome in outcomes)
    sent, done, failed = counts["sent"], counts["retried_before"], counts["failed"]
    if as_json:
        print_json({"sent": sent, "retried_before": done, "failed": failed, "records": outcomes})
    print_note(f"{sent:,} sent, {done:,} had been retried already, {failed:,} failed", quiet=quiet or as_json)
    if failed:
        raise typer.Exit(CHECK_FAILED)


def skip(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The input topic: journey-events.")],
    partition: Annotated[int, typer.Argument(min=0, metavar="PARTITION", help="Its partition.")],
    offset: Annotated[int, typer.Argument(min=0, metavar="OFFSET", help="Offset of the record to pass over.")],
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the dead letter says it.")] = "skipped by hand",
    bootstrap_servers: Servers = None,
    application_id: Application = None,
    requested_by: RequestedBy = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    as_json: Json = False,
) -> None:
    """Have workers and replays pass over one record that none of them survives: it becomes a dead letter, for good.

    Appends a mark to its partition and an audit record to the lifecycle topic. Refused for a record that was applied,
    and while workers run that stand elsewhere. Restart the worker that is stuck there; it then finds the mark.
    """
    import getpass
    import sys

    from journeys.agents.inspect.dead_letters import Place
    from journeys.agents.inspect.offset_skip import skip_offset, skippable_record
    from journeys.cli.operation import run_operation
    from journeys.cli.views.skippable_record import record_json, record_lines
    from journeys.schemas.invalid import InvalidRecordError

    settings = settings_of(bootstrap_servers=bootstrap_servers, application_id=application_id)
    found = run_operation(skippable_record(settings, Place(topic, partition, offset)))
    by = found.skipped_by
    if not as_json:
        for line in record_lines(found):
            print_line(line)
    if by is None:
        if not yes:
            if not sys.stdin.isatty():
                raise typer.BadParameter("nobody can be asked here: give --yes")
            if not typer.confirm("Skip this record for good?", err=True):
                raise typer.Exit(CHECK_FAILED)
        try:
            by = run_operation(skip_offset(settings, found.place, reason, requested_by or getpass.getuser()))
        except InvalidRecordError as error:
            raise typer.BadParameter(str(error)) from None
    if as_json:
        print_json(record_json(found, by))
    elif found.skipped_by is not None:
        print_line(f"skipped already, by the mark at offset {by}")
    else:
        print_line(f"skipped by the mark at offset {by}: restart the worker that has partition {partition}")


async def _retry(
    settings: Settings, wanted: LetterFilter, correction: JourneyRecord | None, again: bool, *, print_lines: bool
) -> list[dict[str, Any]]:
    from journeys.agents.inspect.dead_letter_retry import DeadLetterRetry
    from journeys.agents.inspect.dead_letters import one_letter

    if wanted.place is not None:
        await one_letter(settings, wanted.place)
    outcomes: list[dict[str, Any]] = []
    failed = 0
    async for retry in DeadLetterRetry(settings, correction=correction, again=again).retry(wanted):
        outcome = "sent" if retry.sent else "failed" if retry.done_before is None else "retried_before"
        failed += outcome == "failed"
        record = str(retry.found.origin)
        outcomes.append({"record": record, "outcome": outcome, "why": retry.why_not or None})
        if print_lines and retry.sent:
            print_line(f"{record}: sent")
        elif print_lines and (outcome == "retried_before" or failed <= _SHOWN_FAILURES):
            print_error(f"{record}: {retry.why_not}")
    return outcomes


def _place(text: str) -> Place:
    from journeys.agents.inspect.dead_letters import Place

    try:
        return Place.parse(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not TOPIC:PARTITION:OFFSET, such as journey-events:2:17 (journeys dead-letters list)"
        ) from None


def _corrected(file: str) -> JourneyRecord:
    from journeys.agents.history.line_files import BadLine, LineFile
    from journeys.schemas.records import JourneyRecord

    lines = list(LineFile(file).records())
    if len(lines) != 1:
        raise typer.BadParameter(f"{file}: {len(lines)} lines; expected one, the corrected record")
    (one,) = lines
    if isinstance(one, BadLine):
        raise typer.BadParameter(f"{file}: line {one.number}: {one.error}")
    record = one[1]
    if not isinstance(record, JourneyRecord):
        raise typer.BadParameter(f"{file}: a punctuation is never retried: time belongs to workers and imports")
    return record
