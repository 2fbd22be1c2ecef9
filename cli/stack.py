"""`journeys stack`: Kafka, schema registry, emulator of BigQuery, Kafka Connect, Redis, all on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import typer

from journeys.cli.command_line import CHECK_FAILED, complain
from journeys.cli.options import settings_of

_PIPE_COLUMNS: Final = 300


def up() -> None:
    """Start the whole local stack and wait until each part answers; what runs already is left as it is.

    Needs a JDK and Maven besides Python; Redis is part of it where one is installed. Topics, schemas and tables
    are made. The first time, parts are fetched: some minutes.
    """
    from journeys.agents.stack.local_stack import Stack

    stack = Stack(settings_of())
    stack.up(complain)
    _show(stack)
    typer.echo('\nfor a worker: eval "$(journeys stack env)"')


def down() -> None:
    """Stop what `journeys stack up` started and keep its data. A configured Kafka is never touched."""
    from journeys.agents.stack.local_stack import Stack

    typer.echo("stopped" if Stack(settings_of()).down() else "nothing runs")


def status() -> None:
    """Tell where each part is, whether it answers, and where its log lies; exits with 1 unless all answer."""
    from journeys.agents.stack.local_stack import Stack

    if not _show(Stack(settings_of())):
        raise typer.Exit(CHECK_FAILED)


def env() -> None:
    """Print the settings that make a worker one of this stack, for a shell: `eval "$(journeys stack env)"`."""
    from journeys.agents.stack.local_stack import Stack

    url = Stack(settings_of()).registry.confluent_url
    if url is None:
        complain("the stack was never started here: journeys stack up")
        raise typer.Exit(CHECK_FAILED)
    typer.echo(f"export JOURNEYS_SCHEMA_REGISTRY_URL={url}")


def _from_here(path: Path) -> str:
    """A path as it is typed in this folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _show(stack: object) -> bool:
    from rich.console import Console
    from rich.table import Table

    from journeys.agents.stack.local_stack import Stack

    assert isinstance(stack, Stack)
    table = Table("part", "", show_edge=False)
    for name in ("address", "log"):
        table.add_column(name, overflow="fold")
    parts = stack.status()
    for part in parts:
        state = "answers" if part.answers else "does not answer"
        table.add_row(part.name, state, part.address or "-", "-" if part.log is None else _from_here(part.log))
    # Whoever reads from a pipe has no width: no path is folded.
    Console(soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(table)
    return all(part.answers for part in parts)
