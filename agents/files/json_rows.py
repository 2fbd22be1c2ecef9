"""Rows of JSON: an object a line, a list of objects, or an object that holds one list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final

from journeys.agents.files.csv_rows import BadRow
from journeys.agents.files.unreadable import UnreadableFileError

_BYTES_OF_A_LINE: Final = 2**24
# A document is in memory as a whole, several times its size.
_BYTES_OF_A_DOCUMENT: Final = 2**29
_ERRORS: Final = (ValueError, RecursionError, ArithmeticError)


def json_lines(source: IO[bytes], encoding: str) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
    """Yield the object of each line with the line's number, from 1; or a BadRow."""
    number = 0
    while line := source.readline(_BYTES_OF_A_LINE):
        number += 1
        if len(line) == _BYTES_OF_A_LINE and not line.endswith(b"\n"):
            while (rest := source.readline(_BYTES_OF_A_LINE)) and not rest.endswith(b"\n"):
                pass
            yield BadRow(number, f"longer than {_BYTES_OF_A_LINE} bytes")
            continue
        text = line.strip()
        if not text:
            continue
        try:
            row = _JSON.decode(text.decode(encoding))
        except _ERRORS as error:
            yield BadRow(number, f"not JSON: {_short(error)}")
            continue
        yield (number, row) if isinstance(row, dict) else BadRow(number, "not an object of JSON")


def json_document(path: str, source: IO[bytes], encoding: str) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
    """Yield the objects of a document's list with their places, from 1. Raises UnreadableFileError."""
    content = source.read(_BYTES_OF_A_DOCUMENT + 1)
    if len(content) > _BYTES_OF_A_DOCUMENT:
        raise UnreadableFileError(
            f"{path}: one JSON document of more than {_BYTES_OF_A_DOCUMENT // 2**20} MiB: make it an object a line, "
            "for instance with jq -c '.[]'"
        )
    try:
        document = _JSON.decode(content.decode(encoding))
    except _ERRORS as error:
        raise UnreadableFileError(f"{path}: not JSON: {_short(error)}") from None
    del content
    for number, row in enumerate(_rows(document), start=1):
        yield (number, row) if isinstance(row, dict) else BadRow(number, "not an object of JSON")


def _rows(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    lists = [value for value in document.values() if isinstance(value, list)] if isinstance(document, dict) else []
    lists = [rows for rows in lists if rows and isinstance(rows[0], dict)]
    return lists[0] if len(lists) == 1 else [document]


def _short(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


# A number that is none stays as its name: who needs the field will refuse it, and nobody else looks.
_JSON: Final = json.JSONDecoder(parse_constant=str)
