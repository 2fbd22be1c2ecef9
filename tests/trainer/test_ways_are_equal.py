"""Embedded, connected and replayed: the same abandonments of the same 10,000 journeys."""

import asyncio
import os
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import emptied
from tests.live.topic_exchange import published
from tests.live.verified import verified
from training_orchestrator import JourneyTimeoutManager

from .made_history import say
from .stored import outputs, replayed

pytestmark = [pytest.mark.broker, pytest.mark.slow]
COUNT = 10_000 if os.environ.get("JOURNEYS_TEST_LONG") else 2_000
# Where a record stood, what a request was called, and when somebody looked: not what was decided.
INCIDENTAL = ("source_topic", "source_partition", "source_offset", "command_id", "detected_at", "lifecycle_id")


def decided(record):
    """Fields of a record that describe the decision."""
    fields = record._asdict()
    for name in INCIDENTAL:
        fields.pop(name, None)
    return tuple(fields.items())


def test_10000_journeys_end_the_same_in_every_way_to_run(broker, workers, tmp_path):
    """Field by field, each abandonment once; and each way equals a replay of its own log."""
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    workers.start(settings).wait_until_logged("restored: partitions [0, 1, 2, 3]")
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=50)
    store = tmp_path / "journeys.sqlite3"

    async def embedded():
        async with JourneyTimeoutManager(store_path=store) as manager:
            refused = await say(manager, COUNT, begin)
            await manager.check_timeouts()
            return refused

    async def connected():
        async with JourneyTimeoutManager(bootstrap_servers=settings.bootstrap_servers, answer_seconds=60) as manager:
            return await say(manager, COUNT, begin)

    refused = asyncio.run(connected())
    assert refused == COUNT // 8 * 2
    assert asyncio.run(embedded()) == refused
    stored = outputs(store)
    abandoned = [record for record in stored if isinstance(record, JourneyAbandoned)]
    workers.wait_until(
        lambda: len({record.abandonment_id for record in published(settings)}) >= len(abandoned),
        "not all were abandoned",
    )
    live = {record.abandonment_id: decided(record) for record in published(settings)}
    assert {record.abandonment_id: decided(record) for record in abandoned} == live
    assert set(Counter(record.abandonment_reason for record in abandoned)) == {
        *("COMPETITOR_CONVERSION", "USER_FATIGUE", "BUDGET_EXHAUSTED", "TIMEOUT"),
    }
    said = {record.lifecycle_id: record for record in published(settings, JOURNEY_LIFECYCLE)}
    assert Counter(map(decided, said.values())) == Counter(
        decided(record) for record in stored if isinstance(record, JourneyLifecycle)
    )
    assert {record.kind for record in said.values()} == {
        *("started", "returned", "converted", "extended", "late_touchpoint", "refused"),
    }
    assert stored == replayed(store)
    workers.wait_until_applied(settings)
    _, counted = verified(settings)
    assert counted[JOURNEY_ABANDONMENTS] >= len(abandoned) > COUNT // 2
