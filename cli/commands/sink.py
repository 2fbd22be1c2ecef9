"""`journeys sink`: topics into tables, without Kafka Connect."""

from __future__ import annotations

from typing import Annotated

import typer

from journeys.cli.options import Servers, settings_of


def bigquery(
    bootstrap_servers: Servers = None,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="Consumer group; a new one reads everything again.")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65_535, help="Serve health and metrics there; 0 takes a free port."),
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this table; may be given several times.")
    ] = None,
) -> None:
    """Write abandonments and lifecycle to BigQuery until stopped, each row exactly once, by its Storage Write API.

    Touchpoints go there, too, at least once: views show each once. Several may run: they share the partitions. While
    BigQuery is away, it waits; Kafka keeps the records. What BigQuery refuses goes to the topic
    journeys-bigquery.dead-letter with the reason.
    """
    import asyncio
    import signal

    from journeys.agents.bigquery.sink import GROUP, run_sink
    from journeys.analytics.table import all_tables
    from journeys.cli.operation import run_operation

    known = {one.name: one for one in all_tables()}
    unknown = sorted(set(table or ()) - known.keys())
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is no table; there are {', '.join(known)}", param_hint="--table")
    settings = settings_of(bootstrap_servers=bootstrap_servers, metrics_port=metrics_port)

    async def until_stopped() -> None:
        work = asyncio.ensure_future(run_sink(settings, [known[name] for name in table or known], group=group or GROUP))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        await asyncio.wait({work})
        if not work.cancelled():
            work.result()

    run_operation(until_stopped())
