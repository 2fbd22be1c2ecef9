"""A registry with what is known of a process before any of its parts runs."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from journeys.agents.health.metric_families import families
from journeys.schemas import metrics
from journeys.schemas.metrics import Sample

_PACKAGE: Final = "gaelp-journeys"


class BuildInfo(Collector):
    """Version, engine and Python of this process; `engine` is empty where the process applies no records."""

    def __init__(self, application: str, mode: str, engine: str = "") -> None:
        try:
            build = version(_PACKAGE)
        except PackageNotFoundError:
            build = "unknown"
        sample = Sample(metrics.BUILD_INFO, 1, (build, engine, platform.python_version()))
        self._families = list(families(application, mode, [sample]))

    def collect(self) -> Iterable[Metric]:
        """One metric, always the same."""
        return self._families


def process_registry(application: str, mode: str, engine: str = "") -> CollectorRegistry:
    """Registry with `journeys_build_info` and, on Linux, Prometheus's usual metrics of a process (`process_*`)."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(BuildInfo(application, mode, engine))
    return registry
