"""Calls BigQuery until it answers: retries with jitter, a circuit breaker and a rate limit."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any, Final

import stamina
import structlog
from aiolimiter import AsyncLimiter
from google.api_core.exceptions import GoogleAPICallError, InvalidArgument
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from journeys.agents.bigquery.client import BigQueryError
from journeys.agents.bigquery.write_stream import RowsRefusedError, StreamLostError, StreamWriter

_ATTEMPTS: Final = 4
_BREAKER_FAILURES: Final = 3
_BREAKER_SECONDS: Final = 5.0
_REQUESTS_PER_SECOND: Final = 50
_LOG = structlog.get_logger("sink")


class RetryingWriter:
    """A StreamWriter with unlimited retries; refusals are raised."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer
        self._breakers = AsyncCircuitBreakerFactory(default_threshold=_BREAKER_FAILURES, default_ttl=_BREAKER_SECONDS)
        self._limiter = AsyncLimiter(_REQUESTS_PER_SECOND, 1)
        self.calling_since: float | None = None
        """Start of the call under way, by the monotonic clock."""

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the StreamWriter by its name, and retry until BigQuery answers.

        Raises StreamLostError, RowsRefusedError, and BigQueryError for a request that is invalid.
        """
        self.calling_since = monotonic()
        try:
            return await self._answered(method, *arguments)
        finally:
            self.calling_since = None

    async def _answered(self, method: str, *arguments: Any) -> Any:
        while True:
            try:
                async with await self._breakers.get_breaker("bigquery", exclude=[StreamLostError, RowsRefusedError]):
                    return await self._retried(method, *arguments)
            except OpenedState:
                await asyncio.sleep(_BREAKER_SECONDS)
            except InvalidArgument as error:
                raise BigQueryError(f"BigQuery can't read what is sent: {error.message}") from error
            except GoogleAPICallError as error:
                _LOG.warning("BigQuery does not answer", why=" ".join(str(error).split())[:200])

    async def _retried(self, method: str, *arguments: Any) -> Any:
        async for attempt in stamina.retry_context(
            on=_is_transient, attempts=_ATTEMPTS, wait_initial=0.2, wait_max=5.0, timeout=None
        ):
            with attempt:
                async with self._limiter:
                    return await getattr(self._writer, method)(*arguments)
        raise AssertionError("a retry ends with a result or an error")


def _is_transient(error: Exception) -> bool:
    return isinstance(error, GoogleAPICallError) and not isinstance(error, InvalidArgument)
