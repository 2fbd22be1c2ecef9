"""`journeys dead-letters`: records that could not be taken: which, why, and again once that is mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from journeys.cli.command_line import CHECK_FAILED, complain
from journeys.cli.instant import instant
from journeys.cli.options import Servers, settings_of

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
) -> None:
    """List dead letters with what is wrong and whether they were retried, and count them by reason.

    A record that was retried and is dead again is a dead letter of its own. Looking for retries reads the input
    topic from the oldest letter that is meant: --since makes that short.
    """
    from rich.console import Console

    from journeys.agents.inspect.dead_letters import LetterFilter
    from journeys.cli.dead_letter_list import DeadLetterList
    from journeys.cli.operation import run_operation

    settings = settings_of(bootstrap_servers=bootstrap_servers)
    listed = DeadLetterList(limit)
    run_operation(listed.read(settings, LetterFilter(reason, partition, since)))
    listed.show(Console())


def show(place: Where, bootstrap_servers: Servers = None) -> None:
    """Show one dead letter: where its record is, why it was not taken, and what it says as far as it can be read."""
    from rich.console import Console

    from journeys.cli.dead_letter_view import show_letter
    from journeys.cli.operation import run_operation

    run_operation(show_letter(settings_of(bootstrap_servers=bootstrap_servers), _place(place), Console()))


def retry(
    place: Annotated[
        str | None, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="Where the record is, as list says.")
    ] = None,
    bootstrap_servers: Servers = None,
    every: Annotated[bool, typer.Option("--all", help="All that there are, or all that the filters leave.")] = False,
    reason: Reason = "",
    partition: Partition = None,
    since: Since = None,
    correction: Annotated[
        str | None,
        typer.Option("--with", metavar="FILE", help="A file of one line (JSON) to send in place of the record."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was retried already.")] = False,
) -> None:
    """Append the record of a dead letter to the input topic again, once what was wrong with it is mended.

    It gets a new offset there and names its origin in headers; it counts from its new place on, so a touchpoint
    may have become late meanwhile. Exits with 1 if one still can't be taken.
    """
    from journeys.agents.inspect.dead_letters import LetterFilter
    from journeys.cli.operation import run_operation

    if (place is None) != every:
        raise typer.BadParameter("say which: one TOPIC:PARTITION:OFFSET, or --all with or without filters")
    if place is not None and (reason or partition is not None or since is not None):
        raise typer.BadParameter("a filter goes with --all, not with one TOPIC:PARTITION:OFFSET")
    if correction is not None and place is None:
        raise typer.BadParameter("a corrected record stands for one: name its TOPIC:PARTITION:OFFSET")
    settings = settings_of(bootstrap_servers=bootstrap_servers)
    wanted = LetterFilter(reason, partition, since, None if place is None else _place(place))
    record = None if correction is None else _corrected(correction)
    failed = run_operation(_retry(settings, wanted, record, again))
    if failed:
        raise typer.Exit(CHECK_FAILED)


async def _retry(settings: Settings, wanted: LetterFilter, correction: JourneyRecord | None, again: bool) -> int:
    from journeys.agents.inspect.dead_letter_retry import DeadLetterRetry
    from journeys.agents.inspect.dead_letters import one_letter

    if wanted.place is not None:
        await one_letter(settings, wanted.place)
    sent = done = failed = 0
    async for outcome in DeadLetterRetry(settings, correction=correction, again=again).retry(wanted):
        sent += outcome.sent
        done += outcome.done_before is not None
        failed += not outcome.sent and outcome.done_before is None
        if outcome.sent:
            typer.echo(f"{outcome.found.origin}: sent")
        elif outcome.done_before is not None or failed <= _SHOWN_FAILURES:
            complain(f"{outcome.found.origin}: {outcome.why_not}")
    complain(f"{sent:,} sent, {done:,} had been retried already, {failed:,} can't be taken")
    return failed


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
    from journeys.schemas.records import PolicyChanged, Punctuation

    found = list(LineFile(file).records())
    if len(found) != 1:
        raise typer.BadParameter(f"{file}: {len(found)} lines; one is wanted, the corrected record")
    (one,) = found
    if isinstance(one, BadLine):
        raise typer.BadParameter(f"{file}: line {one.number}: {one.error}")
    record = one[1]
    if isinstance(record, Punctuation | PolicyChanged):
        raise typer.BadParameter(f"{file}: a punctuation is never retried: time belongs to workers and imports")
    return record
