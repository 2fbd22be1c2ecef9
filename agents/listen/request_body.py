"""The body of a request, unpacked and cut into lines. Whatever is in it, time and memory are bounded by its limits."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from journeys.schemas.expected_error import PicklableError
from journeys.schemas.invalid import InvalidRecordError

LARGEST_BODY: Final = 8 * 2**20
"""Bytes of a body, as it is sent and unpacked."""
MOST_LINES: Final = 10_000
_GZIP: Final = 16 + zlib.MAX_WBITS
_ERRORS: Final = (ValueError, RecursionError, ArithmeticError)
# Decimals, so that dollars come in exactly. NaN and Infinity are no JSON: as floats they are refused where they matter.
_JSON: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=float)


class RefusedRequestError(PicklableError):
    """A request that is refused as a whole: its status, and why in one line."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Line(NamedTuple):
    """One line of a body: its number, from 1, and what JSON says, or why it is none."""

    number: int
    value: Any
    error: InvalidRecordError | None = None


def unpacked(body: bytes) -> bytes:
    """A body that gzip packed. Raises RefusedRequestError for one that is damaged, or larger than LARGEST_BODY."""
    parts: list[bytes] = []
    room = LARGEST_BODY
    while body:
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(body, room + 1)
        except zlib.error as error:
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, f"the body is not gzip: {error}") from None
        room -= len(part)
        if room < 0:
            raise too_large()
        if not member.eof:
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, "the body is gzip that was cut off")
        parts.append(part)
        body = member.unused_data
    return b"".join(parts)


def json_lines(body: bytes) -> list[Line]:
    """Lines of NDJSON, without the empty ones. Raises RefusedRequestError for too many."""
    if body.count(b"\n") > MOST_LINES:
        raise _too_many()
    return [
        _line(number, text)
        for number, text in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
        if text.strip()
    ]


def json_document(body: bytes) -> list[Line]:
    """An object of JSON, or the elements of a list. Raises RefusedRequestError for what is neither."""
    try:
        document = _JSON.decode(body.decode("utf-8-sig"))
    except _ERRORS as error:
        raise RefusedRequestError(
            HTTPStatus.BAD_REQUEST, f"the body is not JSON: {_short(error)}; for an object a line say {NDJSON}"
        ) from None
    values = document if isinstance(document, list) else [document]
    if len(values) > MOST_LINES:
        raise _too_many()
    return [Line(number, value) for number, value in enumerate(values, start=1)]


NDJSON: Final = "Content-Type: application/x-ndjson"


def too_large() -> RefusedRequestError:
    """The refusal of a body that is too large."""
    return RefusedRequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body has more than {LARGEST_BODY // 2**20} MiB, unpacked: send it as several requests",
    )


def _too_many() -> RefusedRequestError:
    return RefusedRequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_LINES:,} records: send them as several requests"
    )


def _line(number: int, text: bytes) -> Line:
    try:
        return Line(number, _JSON.decode(text.strip().decode("utf-8")))
    except _ERRORS as error:
        return Line(number, None, InvalidRecordError("line", text[:40], f"a JSON object ({_short(error)})"))


def _short(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
