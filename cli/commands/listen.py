"""`journeys listen`: the JSON door for producers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from journeys.cli.files.history_input import Map
from journeys.cli.options import Servers, settings_of
from journeys.cli.output import print_error

if TYPE_CHECKING:
    from journeys.agents.listen.line_mapping import LineMapping

_RESTART_HELPS: Final = 70


def listen(
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; others than this machine need keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free port.")] = 8047,
    remember: Annotated[
        int,
        typer.Option(min=1_000, max=20_000_000, metavar="IDS", help="How many of the latest ids it knows at least."),
    ] = 250_000,
    mapping: Map = None,
    topic: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Read JSON from this topic, not from HTTP; what is refused goes to NAME.refused."
        ),
    ] = None,
    bootstrap_servers: Servers = None,
) -> None:
    """Take touchpoints, registrations and signals by HTTP until stopped: POST /records, JSON or NDJSON.

    It answers 202 once Kafka has acknowledged every record of a request, 422 with a reason for each line that is
    refused, and 429 or 503 where the request should come again; an id that comes again counts once. Clients send a
    key of JOURNEYS_LISTEN_KEYS_FILE. With --map a request holds objects as they are elsewhere, such as events of
    Segment, and the mapping makes records of them. With exit code 70 it can be restarted.
    """
    from journeys.agents.listen.json_topic import follow_topic
    from journeys.agents.listen.known_ids import KnownIds
    from journeys.agents.listen.listener import ListenerFailedError
    from journeys.agents.listen.listener import listen as run_listener
    from journeys.cli.operation import run_operation

    settings = settings_of(bootstrap_servers=bootstrap_servers)
    mapped = None if mapping is None else _mapping(mapping).apply
    known = KnownIds(remember)
    try:
        if topic is None:
            run_operation(run_listener(settings, host, port, known, mapped, print_error))
        else:
            run_operation(follow_topic(settings, topic, known, mapped, print_error))
    except ListenerFailedError as error:
        print_error(f"it ends, and can be started again: {error}")
        raise typer.Exit(_RESTART_HELPS) from None


def _mapping(name: str) -> LineMapping:
    """The mapping of a file or preset. Raises OperationError."""
    from journeys.agents.listen.line_mapping import LineMapping
    from journeys.agents.mapping.mapping_file import load_mapping

    return LineMapping(load_mapping(name))
