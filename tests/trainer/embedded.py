"""An embedded manager of simulated time, for tests of its store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training_orchestrator import JourneyTimeoutManager, TimeoutConfiguration

from .store_of_journeys import ManualClock


def manager_of(store: Path, clock: ManualClock, **configuration: Any) -> JourneyTimeoutManager:
    """Make one; `configuration` are fields of TimeoutConfiguration."""
    return JourneyTimeoutManager(TimeoutConfiguration(**configuration), store_path=store, now=clock)
