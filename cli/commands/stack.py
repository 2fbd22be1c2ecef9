"""`journeys stack`: Kafka, schema registry, emulator of BigQuery, Kafka Connect, Redis, all on this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from journeys.cli.command_line import CHECK_FAILED
from journeys.cli.options import Json, Quiet, settings_of
from journeys.cli.output import print_error, print_json, print_line, print_note

if TYPE_CHECKING:
    from journeys.agents.stack.local_stack import Part


def up(quiet: Quiet = False) -> None:
    """Start the whole local stack and wait until each part answers; what runs already is left as it is.

    Needs a JDK and Maven besides Python; Redis is part of it where one is installed. Topics, schemas and tables
    are made. The first time, parts are fetched: some minutes.
    """
    from journeys.agents.stack.local_stack import Stack

    stack = Stack(settings_of())
    stack.up(partial(print_note, quiet=quiet))
    _print_table(stack.status())
    print_line()
    print_line('for a worker: eval "$(journeys stack env)"')


def down() -> None:
    """Stop what `journeys stack up` started and keep its data. A configured Kafka is never touched."""
    from journeys.agents.stack.local_stack import Stack

    print_line("stopped" if Stack(settings_of()).down() else "nothing runs")


def status(as_json: Json = False) -> None:
    """Print where each part is, whether it answers, and where its log is; exits with 1 unless all answer."""
    from journeys.agents.stack.local_stack import Stack

    parts = Stack(settings_of()).status()
    if as_json:
        print_json({"parts": [part._asdict() | {"log": None if part.log is None else str(part.log)} for part in parts]})
    else:
        _print_table(parts)
    if not all(part.answers for part in parts):
        raise typer.Exit(CHECK_FAILED)


def env() -> None:
    """Print the settings that make a worker one of this stack, for a shell: `eval "$(journeys stack env)"`."""
    from journeys.agents.stack.local_stack import Stack

    url = Stack(settings_of()).registry.confluent_url
    if url is None:
        print_error("the stack was never started here: journeys stack up")
        raise typer.Exit(CHECK_FAILED)
    print_line(f"export JOURNEYS_SCHEMA_REGISTRY_URL={url}")


def _from_here(path: Path) -> str:
    """A path as it is typed in this folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _print_table(parts: list[Part]) -> None:
    from journeys.cli.screen import Screen, new_table

    table = new_table("part", "", "address", "log")
    for part in parts:
        state = "answers" if part.answers else "does not answer"
        table.add_row(part.name, state, part.address or "-", "-" if part.log is None else _from_here(part.log))
    Screen().print(table)
