"""How every Kafka client connects: one place for servers, and later for TLS and SASL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agents.operation_error import OperationError
from agents.settings import Settings


class KafkaUnreachableError(OperationError):
    """No broker answers, or it stopped answering."""


class KafkaRequestError(OperationError):
    """A broker answers, but refuses or fails what was asked."""


async def bootstrap_servers(settings: Settings) -> str:
    """Servers of the settings, else of the broker for development. Raises KafkaUnreachableError if there is neither."""
    raise NotImplementedError


async def client_options(settings: Settings) -> dict[str, Any]:
    """Options that every aiokafka client gets. Raises KafkaUnreachableError if no server is known."""
    raise NotImplementedError


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[Any]:
    """Give a started AIOKafkaAdminClient. Raises KafkaUnreachableError, KafkaRequestError."""
    raise NotImplementedError
    yield


@asynccontextmanager
async def consumer(settings: Settings, **options: Any) -> AsyncIterator[Any]:
    """Give a started AIOKafkaConsumer without a group. Raises as `admin`."""
    raise NotImplementedError
    yield


@asynccontextmanager
async def producer(settings: Settings, **options: Any) -> AsyncIterator[Any]:
    """Give a started idempotent AIOKafkaProducer. Raises as `admin`."""
    raise NotImplementedError
    yield
