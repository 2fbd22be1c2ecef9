"""Answers /live, /ready and /metrics over HTTP, from a thread and an event loop of its own.

Neither a busy worker nor a client can stop it: it looks at what the worker's loop has left for it, and each client has
one request, seconds to send it, and a place among a bounded number of connections.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from journeys.agents.health.condition import Condition, ReadCondition, Reason, starting
from journeys.agents.health.listening import address_of, bears, listening_socket
from journeys.agents.settings.security_files import load_certificate, require_modern_tls, secret_text

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings

_MOST_CONNECTIONS: Final = 64
_REQUEST_SECONDS: Final = 10.0
"""Within this time a client has to end its TLS handshake, and then its request."""
_LIFE_SECONDS: Final = 30.0
"""No connection lives longer, whatever its client does."""
_SWEPT_EVERY_SECONDS: Final = 1.0
_SCRAPES_AT_ONCE: Final = 2
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# Of aiohttp, which logs a traceback for each request that is none.
_SILENT: Final = logging.getLogger("journeys.health.http")
_SILENT.setLevel(logging.CRITICAL + 1)


class HealthServer:
    """Serves the registry's metrics and a condition. `condition` may be replaced while it runs."""

    def __init__(self, settings: Settings, registry: CollectorRegistry) -> None:
        """Listen at JOURNEYS_METRICS_HOST and JOURNEYS_METRICS_PORT.

        Raises OperationError if that can't be, SecurityFileError for what is wrong with certificate or token.
        """
        self.condition: ReadCondition = starting
        self._registry = registry
        self._token = secret_text(settings, "metrics_token")
        self._tls: ssl.SSLContext | None = None
        if settings.metrics_tls_cert_file is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            require_modern_tls(self._tls)
            load_certificate(self._tls, settings, "metrics_tls")
        self._listening = listening_socket(
            settings.metrics_host,
            settings.metrics_port or 0,
            "for metrics",
            "set JOURNEYS_METRICS_HOST and JOURNEYS_METRICS_PORT (0 takes a free port)",
            _MOST_CONNECTIONS,
        )
        self.address = address_of(self._listening, is_tls=self._tls is not None)
        self._open: dict[socket.socket, float] = {}  # in the order in which they were accepted
        self._scrapes = ThreadPoolExecutor(_SCRAPES_AT_ONCE, "metrics")
        self._loop = asyncio.new_event_loop()
        self._serving = self._loop.create_task(self._serve())
        self._thread = Thread(target=self._run, name="health-server", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join()
        self._scrapes.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serving)
        self._loop.close()

    async def _serve(self) -> None:
        server = web.Server(
            self._answer,
            handler_cancellation=True,
            keepalive_timeout=_REQUEST_SECONDS,
            lingering_time=0,
            access_log=None,
            logger=_SILENT,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sweep())
                while True:
                    connection = await self._accepted()
                    tasks.create_task(self._take(connection, server))
        finally:
            self._listening.close()
            await server.shutdown(0)

    async def _accepted(self) -> socket.socket:
        """The next connection, which has a place: if there is none, the oldest one loses its own."""
        while True:
            await asyncio.sleep(0)  # connections that arrive one after the other must not keep others from being served
            try:
                connection, _ = await self._loop.sock_accept(self._listening)
            except OSError:  # no file descriptor is left, or the client has gone
                await asyncio.sleep(_SWEPT_EVERY_SECONDS)
                continue
            self._forget_closed()
            if len(self._open) >= _MOST_CONNECTIONS:
                _cut(oldest := next(iter(self._open)))
                del self._open[oldest]
            self._open[connection] = monotonic()
            return connection

    async def _take(self, connection: socket.socket, server: web.Server) -> None:
        limit = None if self._tls is None else _REQUEST_SECONDS
        try:
            await self._loop.connect_accepted_socket(server, connection, ssl=self._tls, ssl_handshake_timeout=limit)
        except OSError:  # no TLS, or gone meanwhile
            connection.close()

    async def _sweep(self) -> None:
        """Cut connections that live too long."""
        while True:
            await asyncio.sleep(_SWEPT_EVERY_SECONDS)
            self._forget_closed()
            for connection, since in self._open.items():
                if monotonic() - since > _LIFE_SECONDS:
                    _cut(connection)

    def _forget_closed(self) -> None:
        for connection in [connection for connection in self._open if connection.fileno() < 0]:
            del self._open[connection]

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path not in ("/live", "/ready", "/metrics"):
            return _text(HTTPStatus.NOT_FOUND, "here are /live, /ready and /metrics")
        if request.method not in ("GET", "HEAD"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "GET it", Allow="GET, HEAD")
        if request.path == "/metrics":
            return await self._metrics(request)
        condition: Condition = self.condition()
        if request.path == "/live":
            return _told("live", condition.faults)
        return _told("ready", condition.hindrances)

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        if self._token is not None and not bears(request, self._token):
            return _text(HTTPStatus.UNAUTHORIZED, "a bearer token is asked for", **{"WWW-Authenticate": "Bearer"})
        encode, content_type = choose_encoder(",".join(request.headers.getall("Accept", [])))
        body = await self._loop.run_in_executor(self._scrapes, encode, self._registry)
        answer = web.Response(body=body, headers=_HEADERS | {"Content-Type": content_type})
        answer.enable_compression()
        answer.force_close()
        return answer


def _told(what: str, reasons: tuple[Reason, ...]) -> web.Response:
    if not reasons:
        return _text(HTTPStatus.OK, what)
    lines = [f"not {what}", *(f"{reason.name}: {reason.text}" for reason in reasons)]
    return _text(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(lines))


def _text(status: HTTPStatus, text: str, **headers: str) -> web.Response:
    answer = web.Response(status=status, text=f"{text}\n", headers=_HEADERS | headers)
    answer.force_close()
    return answer


def _cut(connection: socket.socket) -> None:
    """End a connection; who holds the socket sees its end, and closes it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
