"""A worker that was down, or that starts late, must not take its own absence for silence of the journeys."""

import pytest

from journeys.clock import now_ms
from journeys.schemas.records import InputRecord, JourneyRegistered, Touchpoint
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, HOUR, START_AT, punctuation, touch

from .topic_exchange import append, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

LIVING = [f"living-{number}" for number in range(12)]
SILENT = [f"silent-{number}" for number in range(12)]
TIMED_OUT = [f"timed-out-{number}" for number in range(12)]
DAYS_DOWN = 20
# More batches than one, so that time passes between them.
SMALL_BATCHES = {"max_batch_records": 50}


def begin() -> list[InputRecord]:
    """All journeys begin; those that live are given 60 days instead of 14."""
    return [
        punctuation(0),
        *(JourneyRegistered(journey_id, None, START_AT, timeout_ms=60 * DAY) for journey_id in LIVING),
        *(touch(journey_id, 0, HOUR) for journey_id in (*LIVING, *SILENT, *TIMED_OUT)),
        punctuation(2 * HOUR),
    ]


def twenty_days() -> list[InputRecord]:
    """Touchpoints every two days, but of the silent ones, and time every two hours. Inactivity is three days."""
    records: list[InputRecord] = []
    for hour in range(4, DAYS_DOWN * 24, 2):
        if hour % 48 == 4:
            records += [touch(journey_id, hour, hour * HOUR) for journey_id in (*TIMED_OUT, *LIVING)]
        records.append(punctuation(hour * HOUR))
    return records


def test_a_worker_that_was_down_for_20_days_abandons_no_journey_whose_touchpoints_are_in_the_backlog(broker, workers):
    """It publishes what a worker publishes that never was down: field by field, in the same order."""
    settings = emptied(broker, **SMALL_BATCHES)
    always_there = workers.start(settings)
    append(settings, *begin())
    workers.wait_until_applied(settings)
    append(settings, *twenty_days())
    workers.wait_until_applied(settings)
    expected = published(settings)
    verified(settings)
    always_there.stop()

    settings = emptied(broker, **SMALL_BATCHES)
    first = workers.start(settings)
    append(settings, *begin())
    workers.wait_until_applied(settings)
    first.stop()
    assert published(settings) == []
    append(settings, *twenty_days())
    workers.start(settings)
    workers.wait_until_applied(settings)

    assert published(settings) == expected
    verified(settings)
    assert {found.journey_id: (found.abandonment_reason, found.abandoned_at) for found in expected} == {
        **dict.fromkeys(SILENT, ("INACTIVITY", START_AT + HOUR + 3 * DAY)),
        **dict.fromkeys(TIMED_OUT, ("TIMEOUT", START_AT + HOUR + 14 * DAY)),
    }


def test_a_worker_that_starts_20_days_late_on_a_live_topic_puts_its_clock_behind_the_backlog(broker, workers):
    """Its first punctuation says now; every touchpoint that waited is read before it."""
    settings = emptied(broker, punctuation_interval_seconds=0.2, **SMALL_BATCHES)
    now = now_ms()
    began_at = now - DAYS_DOWN * DAY
    registrations = [JourneyRegistered(journey_id, None, began_at, timeout_ms=60 * DAY) for journey_id in LIVING]
    touchpoints = [
        Touchpoint(journey_id, None, f"{journey_id}-{days}", began_at + days * DAY)
        for days in range(0, DAYS_DOWN + 1, 2)
        for journey_id in (*LIVING, *(SILENT if days == 0 else ()))
    ]
    append(settings, *registrations, *touchpoints)
    workers.start(settings)
    workers.wait_until(lambda: len(published(settings)) >= len(SILENT), "the silent ones were not abandoned")
    workers.wait_until_applied(settings)

    report, _ = verified(settings)
    assert {found.journey_id: (found.abandonment_reason, found.abandoned_at) for found in published(settings)} == (
        dict.fromkeys(SILENT, ("INACTIVITY", began_at + 3 * DAY))
    )
    assert all(found.detected_at >= now for found in published(settings))
    assert report.counts.applied == len(registrations) + len(touchpoints)
