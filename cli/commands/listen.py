"""`journeys listen`: the JSON door for producers."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from journeys.cli.options import Servers, settings_of
from journeys.cli.output import print_error

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
    bootstrap_servers: Servers = None,
) -> None:
    """Take touchpoints, registrations and signals by HTTP until stopped: POST /records, JSON or NDJSON.

    It answers 202 once Kafka has acknowledged every record of a request, 422 with a reason for each line that is
    refused, and 429 or 503 where the request should come again; an id that comes again counts once. Clients send a
    key of JOURNEYS_LISTEN_KEYS_FILE. With exit code 70 it can be restarted.
    """
    from journeys.agents.listen.known_ids import KnownIds
    from journeys.agents.listen.listener import ListenerFailedError
    from journeys.agents.listen.listener import listen as run_listener
    from journeys.cli.operation import run_operation

    settings = settings_of(bootstrap_servers=bootstrap_servers)
    try:
        run_operation(run_listener(settings, host, port, KnownIds(remember), None, print_error))
    except ListenerFailedError as error:
        print_error(f"it ends, and can be started again: {error}")
        raise typer.Exit(_RESTART_HELPS) from None
