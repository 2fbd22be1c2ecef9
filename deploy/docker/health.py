"""Health check of a container: exit code 0 if its worker or sink answers 200 at /live, else 1."""

from __future__ import annotations

import http.client
import os
import ssl
import sys
from typing import Final

_TIMEOUT_SECONDS: Final = 4


def is_alive(port: int, *, tls: bool) -> bool:
    """Ask this container's own port. Its certificate is for other names than loopback's, so it is not checked."""
    connection: http.client.HTTPConnection
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/live")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    served = is_alive(int(os.environ["JOURNEYS_METRICS_PORT"]), tls="JOURNEYS_METRICS_TLS_CERT_FILE" in os.environ)
    sys.exit(0 if served else 1)
