"""Keyword arguments of managers beside their configuration, typed for type checkers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict


class StoreOptions(TypedDict, total=False):
    """Store, Kafka, clock and Redis of a manager; JourneyTimeoutManager explains each."""

    store_path: Path | str | None
    bootstrap_servers: str | None
    bring_policy: bool
    answer_seconds: float
    now: Callable[[], int] | None
    redis_url: str | None


class ManagerOptions(StoreOptions, total=False):
    """All keyword arguments."""

    project_id: str | None
    dataset_id: str | None
