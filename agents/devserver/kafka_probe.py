"""Whether a Kafka answers: a question that a Kafka client would ask, not only an open port."""

import asyncio
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any


def answers(bootstrap_servers: str, security: Mapping[str, Any] | None = None, *, timeout: float = 5.0) -> bool:
    """Tell whether a server at `host:port[,host:port...]` names at least one live broker.

    Blocks for about `timeout` seconds at most. Without `security` (see `kafka_security`) plain text, as the
    broker for development is.
    """
    if not any(_port_is_open(server.strip(), timeout) for server in bootstrap_servers.split(",")):
        return False  # aiokafka would write an error to the log for each attempt of a server that is starting
    with ThreadPoolExecutor(1) as pool:  # its own thread: the caller may already run an event loop
        return pool.submit(asyncio.run, _names_a_broker(bootstrap_servers, security or {}, timeout)).result()


def _port_is_open(server: str, timeout: float) -> bool:
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit():
        return False
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), timeout)):
            return True
    except OSError:
        return False


async def _names_a_broker(
    bootstrap_servers: str,
    security: Mapping[str, Any],
    timeout: float,  # noqa: ASYNC109 - passed on to the client
) -> bool:
    # Here, because a plain install replays files without a Kafka client.
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers, request_timeout_ms=round(timeout * 1000), **security
    )
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    return bool(cluster["brokers"])
