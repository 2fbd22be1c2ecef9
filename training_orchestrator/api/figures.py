"""Figures of a manager, for trainers and for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from journeys.schemas.metrics import Distribution


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a manager's journeys. None stands for a figure that its backend does not have.

    Counts are since `start()`; money is in dollars, durations in seconds.
    """

    mode: str
    """`embedded` or `connected`."""
    is_healthy: bool
    """Whether the last access to the store succeeded."""
    active_journeys: int | None
    """Journeys with an open episode."""
    abandonments: int
    abandonments_by_reason: Mapping[str, int] = field(default_factory=dict)
    total_penalty: float = 0.0
    average_penalty: float | None = None
    timeout_share: float | None = None
    """Share of abandonments by deadline (TIMEOUT or INACTIVITY)."""
    detection_delay_seconds: float | None = None
    """Greatest detected_at - abandoned_at of the latest 1,000 abandonments."""
    detection_delays: Distribution | None = None
    """Distribution of detected_at - abandoned_at, in seconds: all abandonments since the start."""
    applied: int | None = None
    """Records that changed a journey."""
    late_touchpoints: int = 0
    duplicates: int | None = None
    refused: int = 0
    dead_letters: int = 0
    forgotten_journeys: int | None = None
    """Ended journeys that cleanup has deleted."""
    held_journeys: int | None = None
    """Journeys that have a row, ended ones included."""
    cleanup_lag_seconds: float | None = None
    """How long the oldest deletion by cleanup is overdue."""
    clock_lag_seconds: float | None = None
    """Time since the last punctuation."""
    restore_seconds: float | None = None
    """Duration of the restore in `start()`."""
    redis_breaker: str | None = None
    """Circuit breaker of the Redis mirror: `closed`, `opened` or `half-opened`. Opened, only Redis lags."""
    redis_openings: int | None = None
    """How often the breaker has opened."""
    redis_rebuilds: int | None = None
    """How often Redis was filled completely: at the start, and whenever it may have lost something."""
