"""A manager's figures for Prometheus: registered once, asked for at each scrape.

from prometheus_client import REGISTRY, start_http_server
REGISTRY.register(ManagerMetrics(manager))
start_http_server(9100, "127.0.0.1")
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from training_orchestrator.figures import Figures
    from training_orchestrator.journey_timeout import JourneyTimeoutManager

_ANSWER_SECONDS: Final = 5.0
_LABEL: Final = ("mode",)
GAUGES: Final = {
    "is_healthy": ("journeys_store_healthy", "1 if the last attempt to reach the store went well"),
    "active_journeys": ("journeys_active", "Journeys with an open episode"),
    "average_penalty": (
        "journeys_average_penalty_dollars",
        "Average total penalty of the abandonments since the start",
    ),
    "timeout_share": ("journeys_timeout_share", "Share of the abandonments that came by deadline"),
    "detection_delay_seconds": (
        "journeys_detection_delay_seconds",
        "Greatest detected_at - abandoned_at of the latest 1,000 abandonments",
    ),
}
"""Name and help by figure; one that is None is left out of a scrape."""
BREAKER: Final = ("journeys_redis_breaker", "1 for the state that Redis's circuit breaker is in")
COUNTERS: Final = {
    "total_penalty": ("journeys_penalty_dollars", "Penalties booked"),
    "late_touchpoints": ("journeys_late_touchpoints", "Touchpoints that lie before the end of an earlier episode"),
    "duplicates": ("journeys_duplicates", "Records whose id was known"),
    "refused": ("journeys_refused", "Requests and registrations that were refused"),
    "dead_letters": ("journeys_dead_letters", "Records that could not be taken"),
    "redis_openings": ("journeys_redis_breaker_openings", "How often Redis's circuit breaker has opened"),
    "redis_rebuilds": ("journeys_redis_rebuilds", "How often Redis was filled anew"),
    "forgotten_journeys": ("journeys_forgotten", "Rows of ended journeys that cleanup deleted"),
}
"""The same; Prometheus adds `_total` to the names."""
ABANDONMENTS: Final = ("journeys_abandonments", "Abandonments by reason")


class ManagerMetrics(Collector):
    """Made within the manager's event loop; scraped from whatever thread."""

    def __init__(self, manager: JourneyTimeoutManager) -> None:
        self._manager = manager
        self._loop = asyncio.get_running_loop()

    def describe(self) -> Iterable[Metric]:
        """No metrics before the first scrape, which needs the loop."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Figures of this moment; a manager that does not answer in 5 s is one that is not healthy."""
        asked = asyncio.run_coroutine_threadsafe(self._manager.metrics(), self._loop)
        try:
            figures = asked.result(_ANSWER_SECONDS)
        except Exception:  # stopped, or busy for too long: what can be said is that it is not well
            asked.cancel()
            yield _gauge(*GAUGES["is_healthy"], "unknown", 0)
            return
        yield from families(figures)


def families(figures: Figures) -> Iterator[Metric]:
    """Metrics of figures."""
    for field, (name, text) in GAUGES.items():
        value = getattr(figures, field)
        if value is not None:
            yield _gauge(name, text, figures.mode, value)
    for field, (name, text) in COUNTERS.items():
        value = getattr(figures, field)
        if value is not None:
            counter = CounterMetricFamily(name, text, labels=_LABEL)
            counter.add_metric([figures.mode], value)
            yield counter
    if figures.redis_breaker is not None:
        breaker = GaugeMetricFamily(*BREAKER, labels=(*_LABEL, "state"))
        breaker.add_metric([figures.mode, figures.redis_breaker], 1)
        yield breaker
    by_reason = CounterMetricFamily(*ABANDONMENTS, labels=(*_LABEL, "reason"))
    for reason, count in figures.abandonments_by_reason.items():
        by_reason.add_metric([figures.mode, reason], count)
    yield by_reason


def _gauge(name: str, text: str, mode: str, value: float) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=_LABEL)
    gauge.add_metric([mode], float(value))
    return gauge
