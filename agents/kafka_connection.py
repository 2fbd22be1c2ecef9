"""How every Kafka client connects: one place for servers, and for TLS and SASL when they come.

Errors of aiokafka end here: whoever uses these clients sees KafkaUnreachableError and KafkaRequestError.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
)

from agents import broker
from agents.operation_error import OperationError
from agents.settings import Settings

_START_ONE: Final = "start one with `journeys broker start` or set JOURNEYS_BOOTSTRAP_SERVERS"
_PROBE_MS: Final = 5_000  # for each server
_STOP_SECONDS: Final = 5.0
_AWAY: Final = (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError, KafkaTimeoutError)
_NOISY: Final = ("aiokafka", "aiokafka.conn", "aiokafka.consumer.fetcher", "aiokafka.producer.sender")


class KafkaUnreachableError(OperationError):
    """No broker answers, or it stopped answering."""


class NoKafkaError(KafkaUnreachableError):
    """No Kafka is configured, so there is none that could answer later."""


class KafkaRequestError(OperationError):
    """A broker answers, but refuses or fails what was asked."""


async def bootstrap_servers(settings: Settings) -> str:
    """Servers of the settings, else of the broker for development. Raises NoKafkaError if there is neither."""
    if settings.bootstrap_servers:
        return settings.bootstrap_servers
    known = await asyncio.to_thread(broker.status, settings.data_dir / "kafka")
    if known is None:
        raise NoKafkaError(f"no Kafka is configured; {_START_ONE}")
    return known.bootstrap_servers


async def client_options(settings: Settings) -> dict[str, Any]:
    """Options that every aiokafka client gets. Raises KafkaUnreachableError if no server is known."""
    return {"bootstrap_servers": await bootstrap_servers(settings), "client_id": settings.application_id}


async def require_broker(settings: Settings) -> None:
    """Return if a broker answers within a few seconds, else raise KafkaUnreachableError."""
    await _probe(await client_options(settings))


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[Any]:
    """Give a started AIOKafkaAdminClient. Raises KafkaUnreachableError, KafkaRequestError, also from its use."""
    options = await client_options(settings)
    await _probe(options)
    client = AIOKafkaAdminClient(**options)
    async with _running(client, client.close, options["bootstrap_servers"]):
        yield client


@asynccontextmanager
async def consumer(settings: Settings, **more: Any) -> AsyncIterator[Any]:
    """Give a started AIOKafkaConsumer without a group, with `more` options. Raises as `admin`."""
    options = await client_options(settings)
    await _probe(options)
    client = AIOKafkaConsumer(**options, **more, enable_auto_commit=False)
    async with _running(client, client.stop, options["bootstrap_servers"]):
        yield client


@asynccontextmanager
async def producer(settings: Settings, **more: Any) -> AsyncIterator[Any]:
    """Give a started AIOKafkaProducer, idempotent and with acks of all replicas. Raises as `admin`."""
    options = await client_options(settings)
    await _probe(options)
    client = AIOKafkaProducer(**options, **more, acks="all", enable_idempotence=True)
    async with _running(client, client.stop, options["bootstrap_servers"]):
        yield client


@asynccontextmanager
async def _running(client: Any, stop: Callable[[], Coroutine[Any, Any, None]], servers: str) -> AsyncIterator[None]:
    try:
        with _silenced():
            await client.start()
            yield
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


async def _probe(options: dict[str, Any]) -> None:
    """Ask for metadata as any client does first, but without its patience and its words."""
    servers = options["bootstrap_servers"]
    client = AIOKafkaClient(**options, request_timeout_ms=_PROBE_MS)
    try:
        with _silenced():
            await client.bootstrap()
    except (KafkaError, OSError, ValueError):  # ValueError: a port that is no number
        raise KafkaUnreachableError(f"no broker answers at {servers}; {_START_ONE}") from None
    finally:
        await client.close()


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
