"""Figures as Prometheus takes them: asked for at each scrape, of the event loop that they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from journeys.schemas import metrics
from journeys.schemas.metrics import Distribution, Sample

_ANSWER_SECONDS: Final = 5.0
_MODE: Final = "mode"
Samples: TypeAlias = Callable[[], Coroutine[Any, Any, Sequence[Sample]]]
_Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_FAMILIES: Final[dict[str, type[_Family]]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}


class LoopMetrics(Collector):
    """Made within the event loop that `samples` is to run in; scraped from whatever thread.

    `mode` is the label that all figures have.
    """

    def __init__(self, mode: str, samples: Samples) -> None:
        self.mode = mode
        self._samples = samples
        self._loop = asyncio.get_running_loop()

    def describe(self) -> Iterable[Metric]:
        """No metrics before the first scrape, which needs the loop."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Figures of this moment; who does not answer in 5 s is not healthy, and that is all that is said."""
        asking = self._samples()
        try:
            asked = asyncio.run_coroutine_threadsafe(asking, self._loop)
        except RuntimeError:  # the loop is closed
            asking.close()
            return families(self.mode, [Sample(metrics.HEALTHY, 0)])
        try:
            samples = asked.result(_ANSWER_SECONDS)
        except Exception:  # stopped, or busy for too long: what can be said is that it is not well
            asked.cancel()
            samples = [Sample(metrics.HEALTHY, 0)]
        return families(self.mode, samples)


def families(mode: str, samples: Sequence[Sample]) -> Iterator[Metric]:
    """Samples by their metric, each with its help."""
    found: dict[metrics.Metric, _Family] = {}
    for metric, value, labels in samples:
        family = found.get(metric)
        if family is None:
            family = _FAMILIES[metric.kind](metric.name, metric.text, labels=(_MODE, *metric.labels))
            found[metric] = family
        if isinstance(value, Distribution):
            assert isinstance(family, HistogramMetricFamily)
            bounds = [*map(str, value.bounds), "+Inf"]
            buckets = list(zip(bounds, accumulate(value.counts), strict=True))
            family.add_metric((mode, *labels), buckets, value.total)
        else:
            assert not isinstance(family, HistogramMetricFamily)
            family.add_metric((mode, *labels), float(value))
    return iter(found.values())
