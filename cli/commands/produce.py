"""`journeys produce`: lines of a file, or of another program, onto the input topic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from journeys.cli.command_line import WRONG_INPUT
from journeys.cli.files.history_input import (
    AsLogged,
    Files,
    Map,
    Sort,
    history_input,
    is_standard_input,
    require_records,
    sends_json_lines,
    shown_name,
    tell_left_out,
)
from journeys.cli.options import Json, Quiet, Servers, settings_of
from journeys.cli.output import print_json, print_note

if TYPE_CHECKING:
    from journeys.agents.history.open_history import HistoryFile
    from journeys.agents.settings.settings import Settings
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.progress import Advance


def produce(
    file: Files,
    *,
    mapping: Map = None,
    sort: Sort = False,
    as_logged: AsLogged = False,
    bootstrap_servers: Servers = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 if lines were rejected.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Validate touchpoints, registrations, signals and commands, and append them to the input topic.

    Lines that are not valid are rejected with their numbers, and the rest goes on. So are punctuations:
    on a live topic time belongs to the workers, and history with its own time goes in by `journeys import`.
    """
    from journeys.cli.files.bad_lines import BadLines
    from journeys.cli.operation import run_operation
    from journeys.cli.progress import progress_bar

    rejected = BadLines(shown_name(file))
    settings = settings_of(bootstrap_servers=bootstrap_servers)
    with (
        _input(file, mapping=mapping, sort=sort, as_logged=as_logged) as lines,
        progress_bar("producing", quiet=quiet) as advance,
    ):
        sent = run_operation(_produce(settings, lines, rejected, advance))
        tell_left_out(lines, quiet=quiet)
        require_records(lines, sent, rejected.count)
    rejected.close()
    if as_json:
        print_json({"produced": sent, "rejected": rejected.count})
    print_note(f"{sent:,} records produced, {rejected.count:,} lines rejected", quiet=quiet or as_json)
    if strict and rejected.count:
        raise typer.Exit(WRONG_INPUT)


@contextmanager
def _input(files: list[str], *, mapping: str | None, sort: bool, as_logged: bool) -> Iterator[HistoryFile]:
    """The lines of files; those of another program as they arrive, if they are lines of JSON."""
    from journeys.agents.history.line_files import LineFile

    if len(files) == 1 and is_standard_input(files[0]) and mapping is None and not sort and sends_json_lines():
        yield LineFile("-")
        return
    with history_input(files, mapping=mapping, sort=sort, as_logged=as_logged) as found:
        yield found


async def _produce(settings: Settings, file: HistoryFile, rejected: BadLines, advance: Advance) -> int:
    from journeys.agents.history.line_files import BadLine
    from journeys.agents.kafka.record_producer import RecordProducer
    from journeys.cli.files.line_feed import line_feed
    from journeys.schemas.invalid import InvalidRecordError
    from journeys.schemas.lines import parse_unvalidated
    from journeys.schemas.records import JourneyRecord

    sent, name = 0, file.name
    async with RecordProducer(settings) as producer:
        async for line in line_feed(file, parse_unvalidated):  # the producer validates
            if isinstance(line, BadLine):
                rejected.add(line)
                continue
            number, record = line
            if not isinstance(record, JourneyRecord):
                rejected.add_of(
                    name, number, "kind: a punctuation is not allowed here: time belongs to workers and imports"
                )
                continue
            try:
                await producer.send(record)
            except InvalidRecordError as error:
                rejected.add_of(name, number, str(error))
                continue
            sent += 1
            advance(sent, None)
        await producer.flush()
    return sent
