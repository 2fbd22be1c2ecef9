"""A manager's health and figures over HTTP, read at each request. docs/metrics.md has the names of the figures.

server = serve_metrics(manager, port=9100)

A program that has a registry of Prometheus already registers ManagerMetrics(manager) there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from journeys.schemas import metrics
from journeys.schemas.metrics import Sample
from training_orchestrator.api.configuration import ConfigurationError
from training_orchestrator.api.extras import needs

with needs("trainer", "ManagerMetrics"):
    from psutil import Process

    from journeys.agents.health.condition import LoopCondition, Reason
    from journeys.agents.health.health_server import HealthServer
    from journeys.agents.health.metric_families import LoopMetrics, readiness
    from journeys.agents.health.process_registry import process_registry
    from journeys.agents.settings.operation_error import OperationError
    from training_orchestrator.sources.given_settings import given_settings

if TYPE_CHECKING:
    from training_orchestrator.api.figures import Figures
    from training_orchestrator.journey_timeout import JourneyTimeoutManager

_PLAIN: Final = (
    ("is_healthy", metrics.HEALTHY),
    ("active_journeys", metrics.ACTIVE),
    ("held_journeys", metrics.HELD),
    ("total_penalty", metrics.PENALTY),
    ("average_penalty", metrics.AVERAGE_PENALTY),
    ("timeout_share", metrics.TIMEOUT_SHARE),
    ("detection_delays", metrics.DETECTION_DELAY),
    ("applied", metrics.APPLIED),
    ("late_touchpoints", metrics.LATE),
    ("duplicates", metrics.DUPLICATES),
    ("refused", metrics.REFUSED),
    ("dead_letters", metrics.DEAD_LETTERS),
    ("forgotten_journeys", metrics.FORGOTTEN),
    ("cleanup_lag_seconds", metrics.CLEANUP_LAG),
    ("restore_seconds", metrics.RESTORE_SECONDS),
    ("redis_openings", metrics.REDIS_OPENINGS),
    ("redis_rebuilds", metrics.REDIS_REBUILDS),
)
"""Fields of Figures with one value each; a None is left out of a scrape."""
_OWN_PARTITION: Final = "0"


class ManagerMetrics(LoopMetrics):
    """Collector of a manager's figures. Make it within the manager's event loop; any thread may scrape it.

    Its label `application` is JOURNEYS_APPLICATION_ID. Raises ConfigurationError for settings that are not allowed.
    """

    def __init__(self, manager: JourneyTimeoutManager) -> None:
        super().__init__(given_settings().application_id, "unknown", self._figures)
        self._manager = manager
        self._process = Process()

    async def _figures(self) -> Sequence[Sample]:
        figures = await self._manager.metrics()
        self.mode = figures.mode
        return [*readiness(hindrances(self._manager)), *samples(figures), *self._memory(figures)]

    def _memory(self, figures: Figures) -> Iterator[Sample]:
        """Memory of an embedded manager's process; connected, the journeys are in the workers' memory."""
        if figures.held_journeys is None:
            return
        memory = self._process.memory_info().rss
        yield Sample(metrics.MEMORY, memory)
        if figures.held_journeys:
            yield Sample(metrics.MEMORY_PER_JOURNEY, memory / figures.held_journeys)


def serve_metrics(manager: JourneyTimeoutManager, *, port: int | None = None, host: str | None = None) -> HealthServer:
    """Serve /live, /ready and /metrics of a started manager until `close()`; call it within the manager's event loop.

    What is not given is as the environment has it (JOURNEYS_METRICS_PORT, else a free port; JOURNEYS_METRICS_HOST, else
    loopback); so are certificate and token (docs/security.md). Raises ConfigurationError, also if the port is taken.
    """
    given = {"metrics_port": port, "metrics_host": host}
    settings = given_settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    registry = process_registry(settings.group, manager.mode)
    registry.register(ManagerMetrics(manager))
    try:
        server = HealthServer(settings, registry)
    except OperationError as error:
        raise ConfigurationError(str(error)) from None
    server.condition = LoopCondition(lambda: hindrances(manager))
    return server


def hindrances(manager: JourneyTimeoutManager) -> tuple[Reason, ...]:
    """Why a manager does not do its work; none: it does."""
    fault = manager.fault
    return () if fault is None else (Reason("store", fault),)


def samples(figures: Figures) -> Iterator[Sample]:
    """Figures under their metric names."""
    for field, metric in _PLAIN:
        value = getattr(figures, field)
        if value is not None:
            yield Sample(metric, value)
    for reason, count in sorted(figures.abandonments_by_reason.items()):
        yield Sample(metrics.ABANDONMENTS, count, (reason,))
    if figures.clock_lag_seconds is not None:
        yield Sample(metrics.CLOCK_LAG, figures.clock_lag_seconds, (_OWN_PARTITION,))
    if figures.redis_breaker is not None:
        yield Sample(metrics.REDIS_BREAKER, 1, (figures.redis_breaker,))
