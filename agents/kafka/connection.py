"""Connections of all Kafka clients: servers, TLS and SASL are set here only.

Errors of aiokafka are translated here, to one line each: KafkaUnreachableError, KafkaRefusedError, KafkaRequestError
and MissingRightsError.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from aiokafka import AIOKafkaProducer
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

from journeys.agents.kafka.followed_cluster import follow_cluster
from journeys.agents.kafka.missing_rights import MissingRightsError
from journeys.agents.kafka.refusal import refusal
from journeys.agents.kafka.rights import Operation, Right
from journeys.agents.kafka.unpacked_batches import UnpackingConsumer
from journeys.agents.settings.development_servers import development_kafka
from journeys.agents.settings.kafka_security import security_options
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings

_START_ONE: Final = "start one with `journeys broker start` or set JOURNEYS_BOOTSTRAP_SERVERS"
_PROBE_MS: Final = 5_000  # for each server
_STOP_SECONDS: Final = 5.0
_UNREACHABLE: Final = (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError, KafkaTimeoutError, TimeoutError)
_SILENCED_LOGGERS: Final = ("aiokafka", "aiokafka.conn", "aiokafka.consumer.fetcher", "aiokafka.producer.sender")


class KafkaUnreachableError(OperationError):
    """No broker answers, or it stopped answering."""


class KafkaRefusedError(OperationError):
    """A broker answers and refuses the connection: password, certificate or security protocol."""


class NoKafkaError(KafkaUnreachableError):
    """No Kafka is configured; waiting does not help."""


class KafkaRequestError(OperationError):
    """A broker answers, and the request is refused or fails."""


def bootstrap_servers(settings: Settings) -> str:
    """Bootstrap servers of the settings, else of the development broker; raises NoKafkaError if there is neither."""
    if settings.bootstrap_servers:
        return settings.bootstrap_servers
    servers = development_kafka(settings.data_dir)
    if servers is None:
        raise NoKafkaError(f"no Kafka is configured; {_START_ONE}")
    return servers


async def client_options(settings: Settings) -> dict[str, Any]:
    """Options of every aiokafka client; Faust gets them through `faust_credentials`.

    They contain the password in clear text. Raises NoKafkaError, SecurityFileError.
    """
    servers = bootstrap_servers(settings)
    return {"bootstrap_servers": servers, "client_id": settings.group} | security_options(settings)


async def require_broker(settings: Settings, options: dict[str, Any] | None = None) -> None:
    """Return if a broker answers within a few seconds, else raise KafkaUnreachableError or KafkaRefusedError.

    `options` are client options that were made earlier; None makes them from the settings.
    """
    await _probe(settings, options or await client_options(settings))


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[Any]:
    """Give a started AIOKafkaAdminClient.

    Raises KafkaUnreachableError, KafkaRefusedError, KafkaRequestError, MissingRightsError, also while it is in use.
    """
    options = await client_options(settings)
    await _probe(settings, options)
    client = AIOKafkaAdminClient(**options)
    follow_cluster(client._client)
    async with _running(client, client.close, settings, options["bootstrap_servers"], "Describe"):
        yield client


@asynccontextmanager
async def consumer(settings: Settings, **more: Any) -> AsyncIterator[Any]:
    """Give a started AIOKafkaConsumer without a group, with `more` options. Raises as `admin`."""
    options = await client_options(settings)
    await _probe(settings, options)
    client = UnpackingConsumer(**options, **more, enable_auto_commit=False)
    follow_cluster(client._client)
    async with _running(client, client.stop, settings, options["bootstrap_servers"], "Read"):
        yield client


@asynccontextmanager
async def producer(settings: Settings, **more: Any) -> AsyncIterator[Any]:
    """Give a started AIOKafkaProducer, idempotent and with acks of all replicas. Raises as `admin`."""
    options = await client_options(settings)
    await _probe(settings, options)
    client = AIOKafkaProducer(**options, **more, acks="all", enable_idempotence=True)
    follow_cluster(client.client)
    async with _running(client, client.stop, settings, options["bootstrap_servers"], "Write"):
        yield client


@asynccontextmanager
async def _running(
    client: Any, stop: Callable[[], Coroutine[Any, Any, None]], settings: Settings, servers: str, operation: Operation
) -> AsyncIterator[None]:
    """Start and stop a client; `operation` names the right that a refused topic lacks."""
    try:
        with _silenced():
            await client.start()
            yield
    except TopicAuthorizationFailedError as error:
        raise missing_rights(settings, operation, error) from error
    except _UNREACHABLE as error:
        raise KafkaUnreachableError(f"Kafka at {servers} does not answer any more ({error}); {_START_ONE}") from error
    except KafkaError as error:
        raise KafkaRequestError(f"Kafka at {servers}: {error}") from error
    finally:
        await _stop(stop)


async def _stop(stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Close a client and ignore errors: the error that led here is the one to report.

    aiokafka raises what its own tasks were cancelled with, and without a broker waits for records that it can't send.
    """
    stopping = asyncio.ensure_future(stop())
    await asyncio.wait({stopping}, timeout=_STOP_SECONDS)
    if not stopping.cancel() and not stopping.cancelled():
        stopping.exception()


def missing_rights(
    settings: Settings, operation: Operation, error: TopicAuthorizationFailedError
) -> MissingRightsError:
    """MissingRightsError for aiokafka's error about an operation on topics."""
    topics = error.args[0] if error.args else "of the request"  # aiokafka gives a name, or a set of names
    names = [topics] if isinstance(topics, str) else sorted(topics)
    return MissingRightsError(settings, [Right(operation, "topic", name) for name in names])


async def _probe(settings: Settings, options: dict[str, Any]) -> None:
    """Ask one server after the other for metadata until one answers; a client would retry for much longer."""
    servers = options["bootstrap_servers"]
    security = {name: option for name, option in options.items() if name != "bootstrap_servers"}
    first_refusal: str | None = None
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
        except (KafkaError, OSError, ValueError) as error:  # ValueError: a port that is not a number
            first_refusal = first_refusal or refusal(error, server, settings)
    if first_refusal is not None:
        raise KafkaRefusedError(first_refusal)
    raise KafkaUnreachableError(f"no broker answers at {servers}; {_START_ONE}")


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep aiokafka's warnings about connections out of the logs: the errors above report it once."""

    def is_below_warning(record: logging.LogRecord) -> bool:
        return record.levelno < logging.WARNING

    loggers = [logging.getLogger(name) for name in _SILENCED_LOGGERS]
    for logger in loggers:
        logger.addFilter(is_below_warning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_below_warning)
