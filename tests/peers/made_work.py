"""A small input for tests, and what must come of it."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.peers.reference import Reference
from benchmarks.workload import make_workload
from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import Touchpoint
from journeys.streams.partition.driver import replay_unpunctuated

_JOURNEYS = 400


@pytest.fixture(scope="session")
def touchpoints() -> list[Touchpoint]:
    """Some thousand touchpoints in order of time."""
    return make_workload(_JOURNEYS).touchpoints


@pytest.fixture(scope="session")
def reference(touchpoints: list[Touchpoint]) -> Reference:
    """What must come of them in one partition."""
    return Reference.of(touchpoints, partition_count=1)


@pytest.fixture(scope="session")
def abandonments(touchpoints: list[Touchpoint]) -> list[dict[str, Any]]:
    """Fields of every abandonment that the pure core makes of them."""
    effects = replay_unpunctuated(list(enumerate(touchpoints)), until=touchpoints[-1].occurred_at + 91 * DAY_MS)
    return [abandonment._asdict() for one in effects for abandonment in one.abandonments]
