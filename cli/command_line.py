"""The command line as a whole: what goes wrong becomes one line on stderr and an exit code.

0: fine. 1: a check failed. 2: wrong usage or input. An error that nobody expected keeps its traceback.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from journeys.cli.expected_error import expected_text
from journeys.cli.output import PROGRAM, print_error
from journeys.schemas.printable import printable, printable_traceback

FINE: Final = 0
CHECK_FAILED: Final = 1
WRONG_INPUT: Final = 2
BROKEN_PIPE: Final = 141  # what a shell shows for a program that SIGPIPE ended

# Daemon threads of our own that may be reading when the command ends; those of libraries end with the interpreter.
_BLOCKED_THREADS: Final = frozenset({"line-feed", "freeze-guard"})


class CommandLine(TyperGroup):
    """The group of all commands. Each command returns nothing, or raises typer.Exit with its code."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Parse the arguments, which may print a help text."""
        with _reader_may_leave():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _reader_may_leave():
            return super().invoke(ctx)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run with the arguments of the process, or those given, and end the process with the exit code."""
        extra |= {"standalone_mode": False, "prog_name": PROGRAM}
        try:
            with _reader_may_leave():
                code = self._code(*args, **extra)
        except typer.Exit as ended:
            code = ended.exit_code
        _end(code or FINE)

    def _code(self, *args: Any, **extra: Any) -> int | None:
        try:
            code: int | None = super().main(*args, **extra)
        except typer.TyperException as error:
            return _print_usage_error(error, self._path(extra.get("args") or sys.argv[1:]))
        except BrokenPipeError:
            raise
        except Exception as error:
            text = expected_text(error)
            if text is None:
                raise
            print_error(text)
            return WRONG_INPUT
        return code

    def _path(self, words: Sequence[str]) -> str:
        """The command that is named by the first words, such as `journeys topics check`."""
        command: Any = self
        path = [PROGRAM]
        for word in words:
            command = getattr(command, "commands", {}).get(word)
            if command is None:
                break
            path.append(word)
        return " ".join(path)


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Raise typer.Exit when the reader of the output has gone, as with `| head`; typer alone would make it code 1."""
    try:
        yield
    except BrokenPipeError:
        _write_nowhere(sys.stdout, sys.stderr)
        raise typer.Exit(BROKEN_PIPE) from None
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _write_nowhere(sys.stdout, sys.stderr)
        raise typer.Exit(BROKEN_PIPE) from None
    except OSError as error:  # a full disk behind it
        _write_nowhere(sys.stdout)
        print_error(f"standard output: can't be written: {error.strerror or error}")
        raise typer.Exit(WRONG_INPUT) from None


def _write_nowhere(*streams: TextIO) -> None:
    """Python flushes once more on its way out, into a pipe that nobody reads or a disk that is full."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())


def _end(code: int) -> NoReturn:
    if any(thread.name in _BLOCKED_THREADS for thread in threading.enumerate()):
        # One is in a read of standard input, which nothing can end, and Python aborts over the lock it holds.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def print_fault(error: BaseException) -> None:
    """Print the traceback of an error that nobody expected, without control characters."""
    print(printable_traceback("".join(traceback.format_exception(error))), file=sys.stderr)


def _print_usage_error(error: typer.TyperException, command: str) -> int:
    message = error.format_message()
    if message.startswith("Usage:"):  # a group without a command prints its help
        print(message, file=sys.stderr)
        return WRONG_INPUT
    message = _with_value(message, error.__cause__)
    see = f" See {command} --help" if message.endswith("?") else f"; see {command} --help"
    print(f"{command}: {printable(message.rstrip('.'))}{see}", file=sys.stderr)
    return WRONG_INPUT


def _with_value(message: str, cause: BaseException | None) -> str:
    """The message of typer; where it is about a value that pydantic refused, with the value in it."""
    from pydantic import ValidationError

    if not isinstance(cause, ValidationError):
        return message
    fault = cause.errors()[0]
    option, value, text = message.partition(": ")[0], repr(fault["input"]), fault["msg"].removeprefix("Value error, ")
    if value in text:
        return f"{option}: {text}"
    return f"{option}: {value} is not allowed: {text[0].lower()}{text[1:]}"


def require_streams() -> None:
    """End with 2 where standard output was closed by whoever started this; other streams lead nowhere then."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  (for as long as the process runs)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115  (the same)
    if sys.stdout is None:
        print_error("standard output is closed: send it to a file, or to /dev/null")
        sys.exit(WRONG_INPUT)
