"""The address of a Redis, looked at before anything is asked of it."""

from __future__ import annotations

from redis.asyncio.connection import parse_url

from training_orchestrator.api.configuration import ConfigurationError


def require_redis_url(url: str) -> None:
    """Raises ConfigurationError, without the URL: a password may stand in it."""
    try:
        parse_url(url)
    except ValueError as error:
        raise ConfigurationError(f"this is no address of a Redis, such as redis://127.0.0.1:6379/0: {error}") from None
