"""The command line as a whole: what goes wrong becomes one line on stderr and an exit code.

0: fine. 1: a check failed. 2: wrong usage or input. An error that nobody expected keeps its traceback.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from journeys.agents.settings.printable import printable, printable_lines
from journeys.cli.expected_error import expected_text
from journeys.cli.output import PROGRAM, print_error

FINE: Final = 0
CHECK_FAILED: Final = 1
WRONG_INPUT: Final = 2
BROKEN_PIPE: Final = 141  # what a shell shows for a program that SIGPIPE ended

# Daemon threads of our own that may be reading when the command ends; those of libraries end with the interpreter.
_BLOCKED_THREADS: Final = frozenset({"line-feed", "freeze-guard"})


class CommandLine(TyperGroup):
    """The group of all commands. Each command returns nothing, or raises typer.Exit with its code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and end quietly when the reader of its output has gone, as with `| head`."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _close_output()
            raise typer.Exit(BROKEN_PIPE) from None
        return result

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run with the arguments of the process, or those given, and end the process with the exit code."""
        extra |= {"standalone_mode": False, "prog_name": PROGRAM}
        try:
            code = self._code(*args, **extra)
            sys.stdout.flush()  # of the help, which is printed outside `invoke`
        except BrokenPipeError:
            _close_output()
            code = BROKEN_PIPE
        _end(code or FINE)

    def _code(self, *args: Any, **extra: Any) -> int | None:
        try:
            code: int | None = super().main(*args, **extra)
        except typer.TyperException as error:
            return _print_usage_error(error)
        except BrokenPipeError:
            raise
        except Exception as error:
            text = expected_text(error)
            if text is None:
                raise
            print_error(text)
            return WRONG_INPUT
        return code


def _close_output() -> None:
    # Python flushes once more on its way out, into a pipe that nobody reads.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _end(code: int) -> NoReturn:
    if any(thread.name in _BLOCKED_THREADS for thread in threading.enumerate()):
        # One is in a read of standard input, which nothing can end, and Python aborts over the lock it holds.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def print_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of an error that nobody expected, as `sys.excepthook`, without control characters."""
    print(printable_lines("".join(traceback.format_exception(kind, error, trace)).rstrip("\n")), file=sys.stderr)


def _print_usage_error(error: typer.TyperException) -> int:
    message = error.format_message()
    if message.startswith("Usage:"):  # a group without a command prints its help
        print(message, file=sys.stderr)
        return WRONG_INPUT
    context = getattr(error, "ctx", None)
    where = PROGRAM if context is None else context.command_path
    print(f"{where}: {printable(message.rstrip('.'))}; see {where} --help", file=sys.stderr)
    return WRONG_INPUT
