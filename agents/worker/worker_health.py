"""A worker's health and metrics over HTTP, from before it knows Kafka until it ends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from journeys.agents.health.condition import LoopCondition
from journeys.agents.health.health_server import HealthServer
from journeys.agents.health.metric_families import LoopMetrics
from journeys.agents.health.process_registry import process_registry
from journeys.agents.worker.worker_condition import WorkerCondition
from journeys.agents.worker.worker_metrics import WorkerMetrics

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings
    from journeys.agents.worker.app import JourneyApp

log = logging.getLogger("journeys.worker")
_MODE: Final = "worker"


class WorkerHealth:
    """Serves that a worker is starting, until `watch` gives its parts."""

    def __init__(self, settings: Settings, engine: str) -> None:
        """Raises as HealthServer."""
        self._application = settings.group
        self._registry = process_registry(self._application, _MODE, engine)
        self._server = HealthServer(settings, self._registry)
        log.info("metrics at %s/metrics, health at /live and /ready", self._server.address)

    def watch(self, app: JourneyApp) -> None:
        """Serve a worker's condition and metrics; to be called in its event loop."""
        agent, memory, progress, log_ends = app.journey_agent, app.memory, app.store.progress, app.log_ends
        condition = WorkerCondition(app, agent, memory, progress, log_ends, app.guards)
        figures = WorkerMetrics(app, agent, memory, progress, log_ends, condition, app.partition_count, app.clock_check)
        self._registry.register(LoopMetrics(self._application, _MODE, figures.read))
        self._server.condition = LoopCondition(condition.reasons)

    def close(self) -> None:
        """Stop serving."""
        self._server.close()
