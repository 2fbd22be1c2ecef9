"""The command line as a whole: what goes wrong becomes one line on stderr and an exit code.

0: fine. 1: a check failed. 2: wrong usage or input. An error that nobody expected keeps its traceback.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from journeys.cli.expected_error import expected_text

PROGRAM: Final = "journeys"
FINE: Final = 0
CHECK_FAILED: Final = 1
WRONG_INPUT: Final = 2
BROKEN_PIPE: Final = 141  # what a shell shows for a program that SIGPIPE ended

# Daemon threads of our own; those of libraries end with the interpreter.
_NEVER_DONE: Final = frozenset({"line-feed", "freeze-guard"})


class CommandLine(TyperGroup):
    """The group of all commands. Each command returns nothing, or raises typer.Exit with its code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and end quietly when the reader of its output has gone, as with `| head`."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes once more on its way out, into a pipe that nobody reads.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        return result

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run with the arguments of the process, or those given, and end the process with the exit code."""
        extra |= {"standalone_mode": False, "prog_name": PROGRAM}
        try:
            code = super().main(*args, **extra)
        except typer.TyperException as error:
            code = _usage(error)
        except Exception as error:
            text = expected_text(error)
            if text is None:
                raise
            complain(text)
            code = WRONG_INPUT
        _end(code or FINE)


def _end(code: int) -> NoReturn:
    if any(thread.name in _NEVER_DONE for thread in threading.enumerate()):
        # One stands in a read of standard input, which nothing can end, and Python aborts over the lock it holds.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def complain(text: str) -> None:
    """Write one line for people to stderr."""
    print(f"{PROGRAM}: {text}", file=sys.stderr)


def _usage(error: typer.TyperException) -> int:
    message = error.format_message()
    if message.startswith("Usage:"):  # a group without a command says what there is
        print(message, file=sys.stderr)
    else:
        context = getattr(error, "ctx", None)
        where = PROGRAM if context is None else context.command_path
        print(f"{where}: {message.rstrip('.')}; see {where} --help", file=sys.stderr)
    return WRONG_INPUT
