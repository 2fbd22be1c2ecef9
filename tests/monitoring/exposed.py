"""Names that Prometheus can know of us: of our metrics, as they are exposed, and of every process."""

from __future__ import annotations

import re
from typing import Final

from journeys.schemas import metrics
from journeys.schemas.metrics import Metric

_PROCESS: Final = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
}
_NAME: Final = re.compile(r"\b(?:journeys|process)_[a-z_]+\b")
_PARTS: Final = {"gauge": [""], "counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}


def exposed_names() -> set[str]:
    """All of them."""
    ours = [metric for metric in vars(metrics).values() if isinstance(metric, Metric)]
    return {f"{metric.name}{part}" for metric in ours for part in _PARTS[metric.kind]} | _PROCESS


def names_in(expression: str) -> set[str]:
    """Names of ours, and of processes, in a PromQL expression."""
    return set(_NAME.findall(expression))
