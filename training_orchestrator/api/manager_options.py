"""What a manager may be given beside its configuration, as type checkers see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict


class StoreOptions(TypedDict, total=False):
    """Where a manager keeps its journeys, and how it gets there: see JourneyTimeoutManager."""

    store_path: Path | str | None
    bootstrap_servers: str | None
    bring_policy: bool
    answer_seconds: float
    now: Callable[[], int] | None
    redis_url: str | None


class ManagerOptions(StoreOptions, total=False):
    """All of it."""

    project_id: str | None
    dataset_id: str | None
