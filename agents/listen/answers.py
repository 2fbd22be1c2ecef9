"""Answers of the JSON door, as documents."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from journeys.agents.listen.intake import Outcome, counts_of
from journeys.agents.listen.request_body import RefusedRequestError

_RETRY_SECONDS: Final = 2
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def records_answer(outcomes: list[Outcome]) -> web.Response:
    """What became of a request's records: 202 if none is refused, else 422."""
    counts: dict[str, Any] = counts_of(outcomes)
    counts["lines"] = [_line(outcome) for outcome in outcomes if outcome.status != "accepted"]
    if not counts["refused"]:
        return _json(HTTPStatus.ACCEPTED, counts)
    return _json(HTTPStatus.UNPROCESSABLE_ENTITY, counts)


def _line(outcome: Outcome) -> dict[str, Any]:
    told: dict[str, Any] = {"line": outcome.line, "status": outcome.status}
    if outcome.error is not None:
        told |= {"field": outcome.error.field, "why": str(outcome.error)}
    elif outcome.why:
        told["why"] = outcome.why
    return told


def later(why: str) -> RefusedRequestError:
    """The refusal of a request that should come again."""
    return RefusedRequestError(HTTPStatus.SERVICE_UNAVAILABLE, f"{why}: send it again, under the same ids")


def error_answer(status: HTTPStatus, why: str) -> web.Response:
    """An answer with one reason for the whole request."""
    answer = _json(status, {"error": why})
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        answer.headers["Retry-After"] = str(_RETRY_SECONDS)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _json(status: HTTPStatus, document: dict[str, Any]) -> web.Response:
    text = json.dumps(document, separators=(",", ":"))
    return web.Response(status=status, text=text + "\n", content_type="application/json", headers=_HEADERS)


def state_answer(what: str, reasons: list[str]) -> web.Response:
    """200 with a word, or 503 with it and the reasons why not."""
    if not reasons:
        return web.Response(text=f"{what}\n", headers=_HEADERS)
    text = "\n".join([f"not {what}", *reasons])
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"{text}\n", headers=_HEADERS)
