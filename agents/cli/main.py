"""`journeys`: all commands, each with its example."""

from __future__ import annotations

import typer

from agents.cli.command_line import CommandLine
from agents.cli.replay import replay
from agents.cli.generate import generate

app = typer.Typer(
    cls=CommandLine,
    help="Ends customer journeys that just stop: touchpoints in, abandonments with their penalty out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _add(example: str, command) -> None:
    app.command(epilog=f"Example: journeys {example}")(command)

_add("replay history.jsonl --output abandonments.jsonl", replay)
_add("generate --journeys 10000 --seed 7 --output load.jsonl", generate)

def run() -> None:
    """Run the command of this process's arguments and end the process. The console script `journeys`."""
    app()
