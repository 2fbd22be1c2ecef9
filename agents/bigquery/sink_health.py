"""The sink's health and metrics over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from aiokafka.errors import KafkaError

from journeys.agents.health.condition import LoopCondition, Reason
from journeys.agents.health.health_server import HealthServer
from journeys.agents.health.metric_families import LoopMetrics, readiness
from journeys.agents.health.process_registry import process_registry
from journeys.schemas import metrics
from journeys.schemas.metrics import Sample

if TYPE_CHECKING:
    from journeys.agents.bigquery.retrying_writer import RetryingWriter
    from journeys.agents.settings.settings import Settings

_MODE: Final = "sink"
_BIGQUERY_AWAY_SECONDS: Final = 5.0
_KAFKA_SECONDS: Final = 3.0
_LOG = structlog.get_logger("sink")


class WatchedSink(Protocol):
    """What is looked at of a sink."""

    written: int
    has_joined: bool

    @property
    def refused(self) -> int:
        """Records that became dead letters of the sink."""


class SinkHealth(HealthServer):
    """Serves that the sink is starting, until `watch` gives its parts."""

    def __init__(self, settings: Settings) -> None:
        """Raises as HealthServer."""
        self._application = settings.group
        self._figures = process_registry(self._application, _MODE)
        super().__init__(settings, self._figures)
        _LOG.info("metrics and health are served", at=self.address)

    def watch(self, sink: WatchedSink, consumer: Any, writer: RetryingWriter) -> None:
        """Serve the sink's condition and figures; to be called in its event loop."""
        watched = _Watched(sink, consumer, writer)
        self._figures.register(LoopMetrics(self._application, _MODE, watched.figures))
        self.condition = LoopCondition(watched.reasons)


class _Watched:
    """The parts of a sink that is running."""

    def __init__(self, sink: WatchedSink, consumer: Any, writer: RetryingWriter) -> None:
        self._sink = sink
        self._consumer = consumer
        self._writer = writer

    def reasons(self) -> Iterator[Reason]:
        """Why it does not write; none: it does, or has nothing to write."""
        if not self._sink.has_joined:
            yield Reason("joining", "the group has not given this sink its partitions yet")
        since = self._writer.calling_since
        if since is not None and monotonic() - since > _BIGQUERY_AWAY_SECONDS:
            yield Reason("bigquery", f"BigQuery has not answered for {monotonic() - since:.0f} s")

    async def figures(self) -> Sequence[Sample]:
        """Present figures."""
        reasons = tuple(self.reasons())
        return [
            *readiness(reasons),
            Sample(metrics.HEALTHY, all(reason.name != "bigquery" for reason in reasons)),
            Sample(metrics.SINK_ROWS, self._sink.written),
            Sample(metrics.SINK_REFUSED, self._sink.refused),
            *[Sample(metrics.SINK_LAG, lag, (topic, str(number))) for (topic, number), lag in await self._lags()],
        ]

    async def _lags(self) -> list[tuple[tuple[str, int], int]]:
        """Records from each position to the end of its partition; none while Kafka does not tell the ends."""
        consumer = self._consumer
        try:
            async with asyncio.timeout(_KAFKA_SECONDS):
                ends = await consumer.end_offsets(consumer.assignment())
                return [
                    ((tp.topic, tp.partition), end - await consumer.position(tp)) for tp, end in sorted(ends.items())
                ]
        except (KafkaError, TimeoutError):
            return []
