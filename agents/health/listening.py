"""Sockets on which this program listens, and the bearer token of a request."""

from __future__ import annotations

import hmac
import os
import socket
from typing import TYPE_CHECKING

from journeys.agents.settings.operation_error import OperationError

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest


def listening_socket(host: str, port: int, what_for: str, what_to_do: str, backlog: int) -> socket.socket:
    """A socket that listens, for asyncio. Raises OperationError if that can't be, which says what to do."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address, family=family, backlog=backlog)
    except OSError as error:
        # create_server adds the address to the system's text; errors of a host's name have negative numbers.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror
        raise OperationError(f"{host}:{port} can't be listened on {what_for} ({why or error}): {what_to_do}") from None
    listening.setblocking(False)
    return listening


def address_of(listening: socket.socket, *, is_tls: bool) -> str:
    """URL of a socket that listens."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http{'s' if is_tls else ''}://{shown}:{port}"


def bearer_token(request: BaseRequest) -> bytes | None:
    """What a request gives as its bearer token; None without one."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip().encode("utf-8", "surrogateescape") if scheme.lower() == "bearer" else None


def bears(request: BaseRequest, token: str) -> bool:
    """Whether a request gives the token; takes as long for a wrong one."""
    given = bearer_token(request)
    return given is not None and hmac.compare_digest(given, token.encode())
