"""Validates the URL of a Redis before a connection is made."""

from __future__ import annotations

from redis.asyncio.connection import parse_url

from training_orchestrator.api.configuration import ConfigurationError


def require_redis_url(url: str) -> None:
    """Raise ConfigurationError for an invalid URL; the text leaves it out, because it may hold a password."""
    try:
        parse_url(url)
    except ValueError as error:
        raise ConfigurationError(f"this is not the URL of a Redis, such as redis://127.0.0.1:6379/0: {error}") from None
