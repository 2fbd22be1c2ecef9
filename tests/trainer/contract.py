"""The contract of both backends: cases that get a started manager and use journey ids of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

import pytest

from journeys.schemas.invalid import InvalidRecordError
from training_orchestrator import (
    AbandonedJourney,
    AbandonmentReason,
    JourneyAlreadyAbandonedError,
    JourneyConvertedError,
    JourneyTimeoutManager,
    RequestTooLateError,
    UnknownJourneyError,
)

Case = Callable[[JourneyTimeoutManager], Awaitable[None]]
CASES: list[Case] = []
FAR_HOURS = 24 * 80
_WAIT_SECONDS = 60.0
Given = TypeVar("Given")


def case(function: Case) -> Case:
    """Add a case to the contract."""
    CASES.append(function)
    return function


def ago(**duration: float) -> datetime:
    """An instant in the past, in whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000) - timedelta(**duration)


async def eventually(ask: Callable[[], Awaitable[Given]], wanted: Callable[[Given], bool]) -> Given:
    """Retry until the answer is the expected one: connected, tables and outputs come later than the acknowledgement."""
    deadline = monotonic() + _WAIT_SECONDS
    while True:
        try:
            given = await ask()
        except UnknownJourneyError:
            assert monotonic() < deadline, "the journey stayed unknown"
        else:
            if wanted(given):
                return given
            assert monotonic() < deadline, f"it stayed {given!r}"
        await asyncio.sleep(0.05)


async def booked(manager: JourneyTimeoutManager, journey_id: str) -> list[AbandonedJourney]:
    """All abandonments of a journey."""
    return [found for found in await manager.abandonments(ago(days=40)) if found.journey_id == journey_id]


@case
async def an_abandoned_journey_costs_what_the_formula_says(manager):
    """The golden vector of the penalty: 150 dollars, INTENT, a competitor after 7 days: 168.923376 and 11.25."""
    start = ago(days=7)
    await manager.register_journey("golden", start_time=start, user_id="user-456", inactivity_hours=FAR_HOURS)
    await manager.record_touchpoint(
        "golden",
        state="INTENT",
        cost=150,
        conversion_probability=0.5,
        conversion_value=90,
        occurred_at=start + timedelta(minutes=1),
    )
    cost = await eventually(
        lambda: manager.calculate_abandonment_cost("golden", AbandonmentReason.COMPETITOR_CONVERSION),
        lambda found: found.touchpoint_count == 1,
    )
    penalty = await manager.mark_abandoned(journey_id="golden", reason=AbandonmentReason.COMPETITOR_CONVERSION)
    assert (penalty.penalty_amount, penalty.opportunity_cost, penalty.total) == (168.923376, 11.25, 180.173376)
    assert (penalty.days_active, penalty.touchpoint_count) == (7, 1)
    assert penalty.abandonment_reason is AbandonmentReason.COMPETITOR_CONVERSION
    assert cost == penalty


@case
async def abandoning_twice_books_once(manager):
    """The second call, and twenty at the same time, get the first one's id; there is one abandonment."""
    await manager.register_journey("twice")
    await manager.record_touchpoint("twice", cost=10)
    answers = await asyncio.gather(
        *(manager.mark_abandoned("twice", AbandonmentReason.USER_FATIGUE) for _ in range(20)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, JourneyAlreadyAbandonedError)]
    assert len(refused) == 19, answers
    with pytest.raises(JourneyAlreadyAbandonedError) as again:
        await manager.mark_abandoned("twice")
    (found,) = await booked(manager, "twice")
    assert {error.abandonment_id for error in [*refused, again.value]} == {found.abandonment_id}
    assert again.value.reason == "USER_FATIGUE"


@case
async def an_unknown_journey_is_not_invented(manager):
    """Abandoning, extending and pricing it are refused; no penalty is charged."""
    for ask in (
        manager.mark_abandoned("nobody"),
        manager.extend_timeout("nobody", 7),
        manager.calculate_abandonment_cost("nobody"),
    ):
        with pytest.raises(UnknownJourneyError, match="nobody"):
            await ask
    assert await booked(manager, "nobody") == []


@case
async def a_converted_journey_is_never_charged(manager):
    """Its spend is not wasted: no penalty, no extension, no price."""
    await manager.record_touchpoint("buyer", state="CONVERTED", cost=40, conversion_value=90)
    with pytest.raises(JourneyConvertedError):
        await manager.mark_abandoned("buyer")
    with pytest.raises(JourneyConvertedError):
        await manager.extend_timeout("buyer", 7)

    async def priced() -> object:
        try:
            return await manager.calculate_abandonment_cost("buyer")
        except JourneyConvertedError as error:
            return error

    await eventually(priced, lambda found: isinstance(found, JourneyConvertedError))
    assert await booked(manager, "buyer") == []


@case
async def rubbish_is_refused_at_the_door_with_its_field(manager):
    """Nothing of it is recorded: the journey stays unknown, even if the rest of a batch was fine."""
    bad: list[tuple[str, dict[str, Any]]] = [
        ("cost", {"cost": -1}),
        ("cost", {"cost": float("nan")}),
        ("cost", {"cost": 0.0000001}),
        ("state", {"state": "BORED"}),
        ("conversion_probability", {"conversion_probability": 1.5}),
        ("touchpoint_id", {"touchpoint_id": ""}),
        ("occurred_at", {"occurred_at": datetime(1980, 1, 1, tzinfo=UTC)}),
    ]
    for field, said in bad:
        with pytest.raises(InvalidRecordError) as refused:
            await manager.record_touchpoint("rubbish", **said)
        assert refused.value.field == field
    with pytest.raises(InvalidRecordError) as refused:
        await manager.register_journey("rubbish", timeout_days=-1)
    assert refused.value.field == "timeout_days"
    with pytest.raises(InvalidRecordError) as refused:
        await manager.mark_abandoned("rubbish", "BOREDOM")
    assert refused.value.field == "reason"
    with pytest.raises(UnknownJourneyError):
        await manager.mark_abandoned("rubbish")


@case
async def a_touchpoint_given_twice_counts_once(manager):
    """It counts once by its id, so that a caller without an answer can repeat the call."""
    for _ in range(3):
        await manager.record_touchpoint("again", cost=25, touchpoint_id="t-1")
    penalty = await manager.mark_abandoned("again")
    assert penalty.touchpoint_count == 1
    (found,) = await booked(manager, "again")
    assert found.total_cost == 25


@case
async def inactivity_is_detected_and_given_once(manager):
    """Inactive for 20 days: it was abandoned after 72 hours; a second check gives nothing."""
    start = ago(days=20)
    await manager.register_journey("silent", start_time=start)
    found: list[AbandonedJourney] = []

    async def checked() -> list[AbandonedJourney]:
        found.extend(each for each in await manager.check_timeouts() if each.journey_id == "silent")
        return found

    await eventually(checked, lambda seen: len(seen) > 0)
    assert [(each.reason, each.abandoned_at) for each in found] == [
        (AbandonmentReason.INACTIVITY, start + timedelta(hours=72))
    ]
    assert all(each.journey_id != "silent" for each in await manager.check_timeouts())
    with pytest.raises(JourneyAlreadyAbandonedError) as refused:
        await manager.mark_abandoned("silent")
    assert (refused.value.reason, refused.value.abandonment_id) == ("INACTIVITY", found[0].abandonment_id)


@case
async def a_timeout_fires_by_itself(manager):
    """Timed out, not silent: a journey of a day's timeout that began two days ago."""
    start = ago(days=2)
    await manager.register_journey("brief", start_time=start, timeout_days=1)
    await eventually(lambda: booked(manager, "brief"), lambda found: len(found) == 1)
    (found,) = await booked(manager, "brief")
    assert (found.reason, found.abandoned_at) == (AbandonmentReason.TIMEOUT, start + timedelta(days=1))


@case
async def an_extension_moves_the_timeout_and_stops_at_the_cap(manager):
    """14 days and 7 are 21; a year more is the cap of 90."""
    start = ago(hours=1)
    await manager.register_journey("extended", start_time=start)
    assert await manager.extend_timeout("extended", 7) == start + timedelta(days=21)
    assert await manager.extend_timeout("extended", 365) == start + timedelta(days=90)
    with pytest.raises(InvalidRecordError, match="days"):
        await manager.extend_timeout("extended", 0)


@case
async def a_naive_datetime_is_local_time(manager):
    """As from `datetime.now()`: an extension's answer shows the start."""
    aware = ago(hours=1)
    await manager.register_journey("naive", start_time=aware.astimezone().replace(tzinfo=None))
    assert await manager.extend_timeout("naive", 1) == aware + timedelta(days=15)


@case
async def a_budget_ends_a_journey(manager):
    """The budget's end, not the deadline, is the reason in later answers."""
    await manager.register_journey("budgeted", budget=5)
    await manager.record_touchpoint("budgeted", cost="2.5")
    await manager.record_touchpoint("budgeted", cost="2.5")
    with pytest.raises(JourneyAlreadyAbandonedError) as refused:
        await manager.mark_abandoned("budgeted")
    assert refused.value.reason == "BUDGET_EXHAUSTED"


@case
async def a_request_that_lies_before_the_last_end_is_too_late(manager):
    """The journey returned; requests before its abandonment change nothing."""
    await manager.register_journey("returned", start_time=ago(hours=3))
    await manager.mark_abandoned("returned", at=ago(hours=2))
    await manager.record_touchpoint("returned", occurred_at=ago(hours=1))
    with pytest.raises(RequestTooLateError):
        await manager.mark_abandoned("returned", at=ago(hours=2, minutes=30))
    await manager.mark_abandoned("returned")
    assert len(await booked(manager, "returned")) == 2


@case
async def figures_count_each_abandonment_once(manager):
    """Three ends, three counted, with their sum."""
    before = await manager.metrics()
    penalties = []
    for name in ("counted-1", "counted-2", "counted-3"):
        await manager.record_touchpoint(name, cost=12, state="AWARE")
        penalties.append(await manager.mark_abandoned(name, AbandonmentReason.MANUAL_TERMINATION))
    after = await manager.metrics()
    assert after.is_healthy
    reason = "MANUAL_TERMINATION"
    assert after.abandonments_by_reason[reason] - before.abandonments_by_reason.get(reason, 0) == 3
    assert after.total_penalty - before.total_penalty == pytest.approx(sum(each.total for each in penalties))
