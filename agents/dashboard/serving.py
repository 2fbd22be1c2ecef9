"""Runs the dashboard's server until it is interrupted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from aiohttp import web

from journeys.agents.dashboard.page_server import PageServer
from journeys.agents.settings.operation_error import OperationError


async def serve(
    server: PageServer, host: str, port: int, tls: ssl.SSLContext | None, ready: Callable[[str], None]
) -> None:
    """Serve until cancelled; `ready` gets the address with the token once it answers. Raises OperationError."""
    runner = web.AppRunner(server.application(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls, shutdown_timeout=1.0)
        try:
            await site.start()
        except OSError as error:
            why = error.strerror or str(error)
            raise OperationError(f"{host}:{port} can't be listened on ({why}): choose another --port") from None
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        ready(f"http{'s' if tls else ''}://{shown}:{bound}/?token={server.token}")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
