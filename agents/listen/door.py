"""HTTP of the JSON door: who may ask, how much at once, and what is answered. aiohttp is the server.

Nothing that a client does takes memory without a bound: bodies, lines, headers and connections have limits, what is in
work at once has one, and who sends or reads too slowly is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar

from aiohttp import web

from journeys.agents.health.condition import ReadCondition, starting
from journeys.agents.health.listening import bearer_token
from journeys.agents.listen.answers import error_answer, later, records_answer, state_answer
from journeys.agents.listen.client_keys import ClientKeys
from journeys.agents.listen.intake import Intake, NotTakenError, Outcome
from journeys.agents.listen.request_body import (
    LARGEST_BODY,
    NDJSON,
    Line,
    RefusedRequestError,
    json_document,
    json_lines,
    too_large,
    unpacked,
)

MOST_CONNECTIONS: Final = 2_048
_AT_ONCE_BYTES: Final = 8 * LARGEST_BODY
"""Of all bodies that are being read, or whose records are on their way."""
_BODY_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 30.0
"""Within this time Kafka has to acknowledge a request's records, and then its client to take the answer."""
_IDLE_SECONDS: Final = 15.0
_FULL_SECONDS: Final = 0.05
_LINES: Final = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Of aiohttp, which logs a traceback for each request that is none.
_SILENT: Final = logging.getLogger("journeys.listen.http")
_SILENT.setLevel(logging.CRITICAL + 1)

_Result = TypeVar("_Result")
Lines: TypeAlias = list[Line]
Mapped: TypeAlias = Callable[[Lines], Awaitable[list[Line | Outcome]]]


class Door:
    """The server. `intake` is None until Kafka answers, and again once it drains; `condition` may be replaced."""

    def __init__(
        self, listening: socket.socket, keys: ClientKeys, tls: ssl.SSLContext | None, mapped: Mapped | None
    ) -> None:
        """`mapped`, if given, makes records of the lines of each request."""
        self.intake: Intake | None = None
        self.condition: ReadCondition = starting
        self._listening = listening
        self._keys = keys
        self._tls = tls
        self._mapped = mapped
        self._held_bytes = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._accepting: asyncio.Task[None] | None = None
        application = web.Application()
        application.router.add_post("/records", self._records)
        application.router.add_get("/live", self._live)
        application.router.add_get("/ready", self._ready)
        self._runner = web.AppRunner(
            application,
            handle_signals=False,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=1.0,
            auto_decompress=False,
            access_log=None,
            logger=_SILENT,
        )

    async def open(self) -> None:
        """Take connections from now on."""
        await self._runner.setup()
        self._accepting = asyncio.create_task(self._accept())

    async def close(self, seconds: float) -> None:
        """Take no more connections; requests that are being answered have some seconds to end."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
        self._listening.close()
        if self._runner.server is not None:
            await self._runner.server.shutdown(seconds)
        await self._runner.cleanup()

    async def _accept(self) -> None:
        while True:
            await asyncio.sleep(0)  # connections that arrive one after the other must not keep others from being served
            if self._connections >= MOST_CONNECTIONS:  # the others wait in the backlog: idle ones are closed soon
                await asyncio.sleep(_FULL_SECONDS)
                continue
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(self._listening)
            except OSError:  # no file descriptor is left, or the client has gone
                await asyncio.sleep(_FULL_SECONDS)
                continue
            self._spawn(self._take(connection))

    @property
    def _connections(self) -> int:
        server = self._runner.server
        return len(self._tasks) + (0 if server is None else len(server.connections))

    def _spawn(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _take(self, connection: socket.socket) -> None:
        limit = None if self._tls is None else _IDLE_SECONDS
        assert self._runner.server is not None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._runner.server, connection, ssl=self._tls, ssl_handshake_timeout=limit
            )
        except OSError:  # no TLS, or gone meanwhile
            connection.close()

    async def _live(self, request: web.Request) -> web.StreamResponse:
        return await _sent(request, state_answer("live", [str(one.text) for one in self.condition().faults]))

    async def _ready(self, request: web.Request) -> web.StreamResponse:
        return await _sent(request, state_answer("ready", [str(one.text) for one in self.condition().hindrances]))

    async def _records(self, request: web.Request) -> web.StreamResponse:
        held = _Held(self)
        try:
            answer = await self._answer(request, held)
        except RefusedRequestError as error:
            answer = error_answer(error.status, error.why)
        finally:
            held.handler_is_done()
        return await _sent(request, answer)

    async def _answer(self, request: web.Request, held: _Held) -> web.Response:
        self._require_client(request)
        split = _required_format(request)
        intake = self.intake
        if intake is None:
            raise later("it is starting or stopping; ask /ready")
        if intake.is_slow:
            raise later(f"Kafka has acknowledged nothing for {intake.longest_wait:.0f} s")
        body = await self._body(request, held)
        if request.headers.get("Content-Encoding", "identity").lower() == "gzip":
            body = unpacked(body)
            held.grow(len(body))
        lines = split(body)
        del body
        if not lines:
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, "the body holds no record")
        taking = self._spawn(self._taken(intake, lines))
        held.keep_until_done(taking)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                outcomes = await asyncio.shield(taking)
        except TimeoutError:
            raise later(f"Kafka has not acknowledged all of it within {_ANSWER_SECONDS:.0f} s") from None
        except NotTakenError:
            raise later("Kafka has not acknowledged all of it") from None
        return records_answer(outcomes)

    async def _taken(self, intake: Intake, lines: Lines) -> list[Outcome]:
        return await intake.take(lines if self._mapped is None else await self._mapped(lines))

    def _require_client(self, request: web.Request) -> None:
        if self._keys:
            if not self._keys.know(bearer_token(request)):
                raise RefusedRequestError(
                    HTTPStatus.UNAUTHORIZED, "a key is asked for: send it as Authorization: Bearer ..."
                )
        # Without keys only programs on this machine may ask, and not the pages that its browser shows.
        elif (request.url.host or "").lower() not in _LOOPBACK or "Origin" in request.headers:
            raise RefusedRequestError(
                HTTPStatus.FORBIDDEN,
                "without keys only localhost is answered, and no browser: set JOURNEYS_LISTEN_KEYS_FILE",
            )

    async def _body(self, request: web.Request, held: _Held) -> bytes:
        if (request.content_length or 0) > LARGEST_BODY:
            raise too_large()
        parts = []
        size = 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for part in request.content.iter_any():
                    size += len(part)
                    if size > LARGEST_BODY:
                        raise too_large()
                    held.grow(len(part))
                    parts.append(part)
        except TimeoutError:
            raise RefusedRequestError(
                HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {_BODY_SECONDS:.0f} s"
            ) from None
        except web.RequestPayloadError:
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, "the body was cut off") from None
        return b"".join(parts)


class _Held:
    """What one request has of the memory for all: given back once its answer is made and its records are in the log."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._bytes = 0
        self._users = 1

    def grow(self, count: int) -> None:
        """Take more. Raises RefusedRequestError if there is none."""
        if self._door._held_bytes + count > _AT_ONCE_BYTES:
            raise RefusedRequestError(
                HTTPStatus.TOO_MANY_REQUESTS, "too much is on its way to Kafka: send it again, under the same ids"
            )
        self._door._held_bytes += count
        self._bytes += count

    def keep_until_done(self, task: asyncio.Task[Any]) -> None:
        """Give back only when a task has ended, too."""
        self._users += 1
        task.add_done_callback(lambda _: self._release())

    def handler_is_done(self) -> None:
        """The request's own part has ended."""
        self._release()

    def _release(self) -> None:
        self._users -= 1
        if not self._users:
            self._door._held_bytes -= self._bytes


def _required_format(request: web.Request) -> Callable[[bytes], Lines]:
    """What cuts the body into lines. Raises RefusedRequestError for a content type or encoding that is not taken."""
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise RefusedRequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding: only gzip is taken")
    # A type that any web page may send without being asked (text/plain, a form) is no door for records.
    kind = request.content_type.lower()
    if kind == "application/json":
        return json_document
    if kind in _LINES:
        return json_lines
    raise RefusedRequestError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Content-Type: application/json for an object or a list of objects, {NDJSON} for an object a line",
    )


async def _sent(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Send an answer; a client that does not read it is cut off."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await answer.prepare(request)
            await answer.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return answer
