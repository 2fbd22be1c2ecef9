"""How every Kafka client connects: the one place for servers, TLS and SASL.

Errors of aiokafka end here: whoever uses these clients sees KafkaUnreachableError, KafkaRefusedError,
KafkaRequestError and MissingRightsError, each of them one line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.metadata import MetadataRequest

from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.refusal import refusal
from journeys.agents.kafka.rights import Operation, Right
from journeys.agents.settings.development_servers import development_kafka
from journeys.agents.settings.kafka_security import security_options
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings

_START_ONE: Final = "start one with `journeys broker start` or set JOURNEYS_BOOTSTRAP_SERVERS"
_PROBE_MS: Final = 5_000  # for each server
_STOP_SECONDS: Final = 5.0
_AWAY: Final = (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError, KafkaTimeoutError)
_NOISY: Final = ("aiokafka", "aiokafka.conn", "aiokafka.consumer.fetcher", "aiokafka.producer.sender")


class KafkaUnreachableError(OperationError):
    """No broker answers, or it stopped answering."""


class KafkaRefusedError(OperationError):
    """A broker is there and does not let this client in: password, certificates, protocol."""


class NoKafkaError(KafkaUnreachableError):
    """No Kafka is configured, so there is none that could answer later."""


class KafkaRequestError(OperationError):
    """A broker answers, but refuses or fails what was asked."""


def bootstrap_servers(settings: Settings) -> str:
    """Servers of the settings, else of the broker for development. Raises NoKafkaError if there is neither."""
    if settings.bootstrap_servers:
        return settings.bootstrap_servers
    servers = development_kafka(settings.data_dir)
    if servers is None:
        raise NoKafkaError(f"no Kafka is configured; {_START_ONE}")
    return servers


async def client_options(settings: Settings) -> dict[str, Any]:
    """Options that every aiokafka client gets, and Faust by way of `faust_credentials`.

    Raises KafkaUnreachableError if no server is known, SecurityFileError. The password is among them in clear.
    """
    servers = bootstrap_servers(settings)
    return {"bootstrap_servers": servers, "client_id": settings.application_id} | security_options(settings)


async def require_broker(settings: Settings, options: dict[str, Any] | None = None) -> None:
    """Return if a broker answers within a few seconds, else raise KafkaUnreachableError or KafkaRefusedError.

    `options` are those of earlier, without them those of now.
    """
    await _probe(settings, options or await client_options(settings))


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[Any]:
    """Give a started AIOKafkaAdminClient.

    Raises KafkaUnreachableError, KafkaRefusedError, KafkaRequestError, MissingRightsError, also from its use.
    """
    options = await client_options(settings)
    await _probe(settings, options)
    client = AIOKafkaAdminClient(**options)
    async with _running(client, client.close, settings, options["bootstrap_servers"], "Describe"):
        yield client


@asynccontextmanager
async def consumer(settings: Settings, **more: Any) -> AsyncIterator[Any]:
    """Give a started AIOKafkaConsumer without a group, with `more` options. Raises as `admin`."""
    options = await client_options(settings)
    await _probe(settings, options)
    client = AIOKafkaConsumer(**options, **more, enable_auto_commit=False)
    async with _running(client, client.stop, settings, options["bootstrap_servers"], "Read"):
        yield client


@asynccontextmanager
async def producer(settings: Settings, **more: Any) -> AsyncIterator[Any]:
    """Give a started AIOKafkaProducer, idempotent and with acks of all replicas. Raises as `admin`."""
    options = await client_options(settings)
    await _probe(settings, options)
    client = AIOKafkaProducer(**options, **more, acks="all", enable_idempotence=True)
    async with _running(client, client.stop, settings, options["bootstrap_servers"], "Write"):
        yield client


@asynccontextmanager
async def _running(
    client: Any, stop: Callable[[], Coroutine[Any, Any, None]], settings: Settings, servers: str, operation: Operation
) -> AsyncIterator[None]:
    """Start and stop a client; `operation` is what it does with topics."""
    try:
        with _silenced():
            await client.start()
            yield
    except TopicAuthorizationFailedError as error:
        raise missing_rights(settings, operation, error) from error
    except _AWAY as error:
        raise KafkaUnreachableError(f"Kafka at {servers} does not answer any more ({error}); {_START_ONE}") from error
    except KafkaError as error:
        raise KafkaRequestError(f"Kafka at {servers}: {error}") from error
    finally:
        await _stop(stop)


async def _stop(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Close a client without a word: why it is closed matters more than how that goes.

    aiokafka raises what its own tasks were cancelled with, and without a broker waits for what it can't send.
    """
    stopping = asyncio.ensure_future(stop())
    await asyncio.wait({stopping}, timeout=_STOP_SECONDS)
    if not stopping.cancel() and not stopping.cancelled():
        stopping.exception()


def missing_rights(
    settings: Settings, operation: Operation, error: TopicAuthorizationFailedError
) -> MissingRightsError:
    """The error for what Kafka answers to an operation on topics."""
    said = error.args[0] if error.args else "of the request"  # aiokafka gives a name, or a set of names
    names = [said] if isinstance(said, str) else sorted(said)
    return MissingRightsError(settings, [Right(operation, "topic", name) for name in names])


async def _probe(settings: Settings, options: dict[str, Any]) -> None:
    """Ask each server for metadata, as any client does first, until one answers; without a client's patience."""
    servers = options["bootstrap_servers"]
    security = {name: option for name, option in options.items() if name != "bootstrap_servers"}
    why: str | None = None
    for server in servers.split(","):
        try:
            with _silenced():
                ((host, port, _),) = collect_hosts(server)
                connection = await create_conn(host, port, request_timeout_ms=_PROBE_MS, **security)
                try:
                    await connection.send(MetadataRequest([]))
                finally:
                    connection.close()
            return
        except (KafkaError, OSError, ValueError) as error:  # ValueError: a port that is no number
            why = why or refusal(error, server, settings)
    if why is not None:
        raise KafkaRefusedError(why)
    raise KafkaUnreachableError(f"no broker answers at {servers}; {_START_ONE}")


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep aiokafka's complaints about connections out of the logs: the errors above say it once."""

    def is_no_complaint(record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING

    loggers = [logging.getLogger(name) for name in _NOISY]
    for logger in loggers:
        logger.addFilter(is_no_complaint)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_no_complaint)
