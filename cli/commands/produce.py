"""`journeys produce`: lines of a file, or of another program, onto the input topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.options import Json, Quiet, Servers, settings_of
from journeys.cli.output import print_json, print_note

if TYPE_CHECKING:
    from journeys.agents.history.line_files import LineFile
    from journeys.agents.settings.settings import Settings
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.progress import Advance


def produce(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file (.jsonl, .csv, .parquet), or - for JSONL on standard input.")
    ],
    bootstrap_servers: Servers = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 if lines were rejected.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Validate touchpoints, registrations, signals and commands, and append them to the input topic.

    Lines that are not valid are rejected with their numbers, and the rest goes on. So are punctuations:
    on a live topic time belongs to the workers, and history with its own time goes in by `journeys import`.
    """
    from journeys.agents.history.line_files import LineFile
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar

    lines = LineFile(file)
    rejected = BadLines("standard input" if file == "-" else file)
    with progress_bar("producing", quiet=quiet) as advance:
        sent = run_operation(_produce(settings_of(bootstrap_servers=bootstrap_servers), lines, rejected, advance))
    rejected.close()
    if as_json:
        print_json({"produced": sent, "rejected": rejected.count})
    print_note(f"{sent:,} records produced, {rejected.count:,} lines rejected", quiet=quiet or as_json)
    if strict and rejected.count:
        raise typer.Exit(WRONG_INPUT)


async def _produce(settings: Settings, file: LineFile, rejected: BadLines, advance: Advance) -> int:
    from journeys.agents.history.line_files import BadLine
    from journeys.agents.kafka.record_producer import RecordProducer
    from journeys.cli.files.line_feed import line_feed
    from journeys.schemas.invalid import InvalidRecordError
    from journeys.schemas.lines import parse_unvalidated
    from journeys.schemas.records import JourneyRecord

    sent = 0
    async with RecordProducer(settings) as producer:
        async for line in line_feed(file, parse_unvalidated):  # the producer validates
            if isinstance(line, BadLine):
                rejected.add(line.number, str(line.error))
                continue
            number, record = line
            if not isinstance(record, JourneyRecord):
                rejected.add(number, "kind: a punctuation is not allowed here: time belongs to workers and imports")
                continue
            try:
                await producer.send(record)
            except InvalidRecordError as error:
                rejected.add(number, str(error))
                continue
            sent += 1
            advance(sent, None)
        await producer.flush()
    return sent
