"""A manager's figures for Prometheus, read at each scrape. docs/metrics.md has their names.

from prometheus_client import REGISTRY, start_http_server
REGISTRY.register(ManagerMetrics(manager))
start_http_server(9100, "127.0.0.1")
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from journeys.schemas import metrics
from journeys.schemas.metrics import Sample
from training_orchestrator.api.extras import needs

with needs("trainer", "ManagerMetrics"):
    from psutil import Process

    from journeys.agents.worker.metric_families import LoopMetrics

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
    """Collector of a manager's figures. Make it within the manager's event loop; any thread may scrape it."""

    def __init__(self, manager: JourneyTimeoutManager) -> None:
        super().__init__("unknown", self._figures)
        self._manager = manager
        self._process = Process()

    async def _figures(self) -> Sequence[Sample]:
        figures = await self._manager.metrics()
        self.mode = figures.mode
        return [*samples(figures), *self._memory(figures)]

    def _memory(self, figures: Figures) -> Iterator[Sample]:
        """Memory of an embedded manager's process; connected, the journeys are in the workers' memory."""
        if figures.held_journeys is None:
            return
        memory = self._process.memory_info().rss
        yield Sample(metrics.MEMORY, memory)
        if figures.held_journeys:
            yield Sample(metrics.MEMORY_PER_JOURNEY, memory / figures.held_journeys)


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
