"""Files that a command reads as history, and what it says of those that came out otherwise than expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys.cli.output import print_error, print_note
from journeys.schemas.expected_error import ExpectedError

if TYPE_CHECKING:
    from journeys.agents.history.log_order import LogOrder
    from journeys.agents.history.open_history import HistoryFile, Order

_STANDARD_INPUT: Final = ("-", "/dev/stdin")

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="Files or folders (JSON lines, JSON, CSV, Parquet; also packed with gzip, zstd, bzip2, xz), or - for "
        "standard input.",
    ),
]
Map = Annotated[
    str | None,
    typer.Option(
        "--map", metavar="FILE|PRESET", help="What the columns mean: a mapping (TOML) or the name of a preset."
    ),
]
Sort = Annotated[bool, typer.Option("--sort", help="Sort JSON lines by time, which else are read as they stand.")]
AsLogged = Annotated[
    bool,
    typer.Option(
        "--as-logged", help="Leave CSV, Parquet and mapped files in their order; else they are sorted by time."
    ),
]


class NoRecordError(ExpectedError):
    """Of all lines none is a record."""


def is_standard_input(path: str) -> bool:
    """Whether a path stands for standard input."""
    return path in _STANDARD_INPUT


def sends_json_lines() -> bool:
    """Whether standard input begins as JSON lines do, or with nothing; waits for its first bytes."""
    import sys

    buffer: Any = sys.stdin.buffer
    if not hasattr(buffer, "peek"):  # no stream of a process
        return True
    head = buffer.peek(1)[:64].lstrip()
    return not head or head.startswith(b"{")


def shown_name(paths: Sequence[str]) -> str:
    """What messages call the files."""
    names = ["standard input" if is_standard_input(path) else path for path in paths]
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


@contextmanager
def history_input(
    paths: Sequence[str], *, mapping: str | None = None, sort: bool = False, as_logged: bool = False
) -> Iterator[HistoryFile]:
    """Open files as history. Raises UnreadableFileError, InvalidMappingError."""
    from journeys.agents.history.open_history import open_history

    if sort and as_logged:
        raise typer.BadParameter("--sort and --as-logged exclude each other")
    order: Order | None = "time" if sort else "logged" if as_logged else None
    plain = ["-" if is_standard_input(path) else path for path in paths]
    with open_history(plain, mapping=mapping, order=order) as file:
        yield file


def tell_left_out(file: HistoryFile, *, quiet: bool) -> None:
    """Print which rows a mapping does not take (in any case) and which it skips."""
    from journeys.agents.history.line_files import LineFile

    if isinstance(file, LineFile):
        return
    if file.not_taken:
        rows = sum(one.rows for one in file.not_taken)
        listed = ", ".join(f"{one.what} {one.rows:,}" for one in file.not_taken)
        print_error(f"{file.name}: {rows:,} rows are taken by no rule of the mapping: {listed}")
    if file.unnamed:
        rows = sum(one.rows for one in file.unnamed)
        listed = ", ".join(f"{one.what} {one.rows:,}" for one in file.unnamed)
        print_note(f"{file.name}: {rows:,} rows of events that the mapping does not name: {listed}", quiet=quiet)
    for one in file.skipped:
        print_note(f"{file.name}: {one.rows:,} rows skipped: {one.what}", quiet=quiet)
    unspent = file.unspent
    if unspent is not None and unspent[0]:
        from journeys.schemas.money import format_dollars

        days, micros = unspent
        print_error(f"daily spend of {days:,} days, {format_dollars(micros)} dollars, has no touchpoint to carry it")


def tell_order(file: HistoryFile, order: LogOrder) -> None:
    """Print how many records lie behind, of a log that is read as it stands."""
    text = order.text(file.name)
    if text is not None:
        print_error(text)


def require_records(file: HistoryFile, records: int, bad_lines: int) -> None:
    """Raise NoRecordError if there were lines and none is a record."""
    from journeys.agents.history.line_files import LineFile

    left_out = 0 if isinstance(file, LineFile) else sum(one.rows for one in (*file.not_taken, *file.skipped))
    if records or not (bad_lines or left_out):
        return
    raise NoRecordError(
        f"{file.name}: none of {bad_lines + left_out:,} lines is a record: `journeys inspect {file.name}` shows what "
        "they hold, and --map says what it means (docs/your-data.md)"
    )
