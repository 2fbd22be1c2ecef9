"""A proxy in front of the emulator's HTTP that has each DELETE refused, as BigQuery refuses some."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

import httpx


class DeleteProxy:
    """Forwards all requests; a context manager. A DELETE statement becomes one that fails with a message."""

    def __init__(self, target: str, message: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                start = body.find(b"DELETE FROM")
                if start >= 0:
                    end = body.index(b'"', start)
                    body = body[:start] + f"SELECT ERROR('{message}')".encode() + body[end:]
                kept = {name: self.headers[name] for name in ("Content-Type", "Accept") if name in self.headers}
                answer = httpx.request(self.command, target + self.path, content=body, headers=kept, timeout=60)
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815 - http.server's names

            def log_message(self, *_said: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, name="delete-proxy")
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Start it."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._server.shutdown()
        self._thread.join(30)
        self._server.server_close()
