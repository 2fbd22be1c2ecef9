"""The machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from journeys.agents.devserver.kafka_jars import kafka_version

_PACKAGES = ("faust-streaming", "aiokafka", "fastavro", "pyruhvro", "pyarrow")


def describe_machine() -> dict[str, Any]:
    """Facts that the figures depend on; reads /proc, so Linux only."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(_first("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "kafka": kafka_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def _first(path: str, name: str) -> str:
    """Value of the first line `name: value` of a file of /proc."""
    for line in Path(path).read_text("utf-8").splitlines():
        if line.partition(":")[0].strip() == name:
            return line.partition(":")[2].strip()
    return "unknown"
