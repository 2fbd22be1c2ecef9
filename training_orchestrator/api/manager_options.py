"""Keyword arguments of managers beside their configuration, typed for type checkers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from journeys.streams.rule.policy import Policy


class StoreOptions(TypedDict, total=False):
    """Store, Kafka, clock and Redis of a manager; JourneyTimeoutManager explains each."""

    policy: Policy | Mapping[str, Any] | Path | str | None
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
