"""A Prometheus collector whose values are read at each scrape, in the event loop that owns them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from journeys.agents.health.condition import Reason
from journeys.schemas import metrics
from journeys.schemas.metrics import Distribution, Sample

_ANSWER_SECONDS: Final = 5.0
_LABELS: Final = ("application", "mode")
_STUCK: Final = (Sample(metrics.HEALTHY, 0), Sample(metrics.READY, 0), Sample(metrics.NOT_READY, 1, ("stuck",)))
ReadMetrics: TypeAlias = Callable[[], Coroutine[Any, Any, Sequence[Sample]]]
_Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_FAMILIES: Final[dict[str, type[_Family]]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}


class LoopMetrics(Collector):
    """Collects metrics that `read` gives in the event loop in which this is made; scraped from any thread.

    `application` and `mode` are labels of every metric.
    """

    def __init__(self, application: str, mode: str, read: ReadMetrics) -> None:
        self.application = application
        self.mode = mode
        self._read = read
        self._loop = asyncio.get_running_loop()

    def describe(self) -> Iterable[Metric]:
        """Give none: registration must not need the loop."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Current metrics; if the loop does not answer within 5 s, only that the process does not work."""
        reading = self._read()
        try:
            future = asyncio.run_coroutine_threadsafe(reading, self._loop)
        except RuntimeError:  # the loop is closed
            reading.close()
            return families(self.application, self.mode, _STUCK)
        try:
            values = future.result(_ANSWER_SECONDS)
        except Exception:  # stopped, or busy for too long
            future.cancel()
            values = _STUCK
        return families(self.application, self.mode, values)


def readiness(reasons: Sequence[Reason]) -> Iterator[Sample]:
    """Whether a process is ready, and why it is not, as metrics."""
    yield Sample(metrics.READY, not reasons)
    for name in sorted({reason.name for reason in reasons}):
        yield Sample(metrics.NOT_READY, 1, (name,))


def families(application: str, mode: str, values: Sequence[Sample]) -> Iterator[Metric]:
    """Values grouped by metric, each metric with its help text."""
    by_metric: dict[metrics.Metric, _Family] = {}
    for metric, value, labels in values:
        family = by_metric.get(metric)
        if family is None:
            family = _FAMILIES[metric.kind](metric.name, metric.text, labels=(*_LABELS, *metric.labels))
            by_metric[metric] = family
        if isinstance(value, Distribution):
            assert isinstance(family, HistogramMetricFamily)
            bounds = [*map(str, value.bounds), "+Inf"]
            buckets = list(zip(bounds, accumulate(value.counts), strict=True))
            family.add_metric((application, mode, *labels), buckets, value.total)
        else:
            assert not isinstance(family, HistogramMetricFamily)
            family.add_metric((application, mode, *labels), float(value))
    return iter(by_metric.values())
