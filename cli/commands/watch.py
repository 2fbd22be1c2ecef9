"""`journeys watch`: the output topics, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from journeys.cli.options import Servers, settings_of

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings

_DRAWN_EVERY_SECONDS: Final = 0.25


def watch(
    bootstrap_servers: Servers = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="SECONDS", help="How long; without it, until Ctrl-C."),
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Count what was published before, too.")
    ] = False,
) -> None:
    """Watch the output topics: abandonments by reason, penalties, rates, the latest abandonments.

    Counts begin when the command does, and take what is published twice only once.
    """
    from journeys.cli.operation import run_operation

    run_operation(_watch(settings_of(bootstrap_servers=bootstrap_servers), seconds, from_beginning))


async def _watch(settings: Settings, seconds: float | None, from_beginning: bool) -> None:
    import asyncio
    from contextlib import suppress

    from rich.live import Live

    from journeys.cli.output_tail import ends_of, output_tail
    from journeys.cli.screen import Screen
    from journeys.cli.views.watched import TOPICS, Watched

    ends = await ends_of(settings, TOPICS)
    starts = dict.fromkeys(ends, 0) if from_beginning else ends
    watched = Watched()

    async def read() -> None:
        async for batch in output_tail(settings, TOPICS, starts):
            watched.add(batch)

    # Drawn by this loop and not by rich's thread: the counts change only between two drawings.
    with Live(watched.table(), console=Screen(), auto_refresh=False) as live, suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            while True:
                await asyncio.sleep(_DRAWN_EVERY_SECONDS)
                live.update(watched.table(), refresh=True)
