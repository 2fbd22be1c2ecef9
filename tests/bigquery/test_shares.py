"""Shares within a horizon: returns that are found wherever they lie, Kaplan-Meier, mature ones, and too few."""

import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import polars
import pytest

from journeys.analytics import abandonment_report
from journeys.analytics.shares import ENOUGH
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.records import JourneyRegistered, JourneySignal, Touchpoint
from journeys.streams.rule.policy import policy_of_tables
from tests.fixtures.watched_history import BY_DEADLINE, Watched, kaplan_meier, watched_history

from .exports import exported
from .rows import abandonment, lifecycle, touchpoint

T0 = 1_760_000_000_000
# Cleanup ends long before the horizon; engaged journeys wait less than others, which moves deadlines into the past.
POLICY = policy_of_tables(
    {
        "version": "short memory",
        "deadlines": {
            "inactivity_hours": 48,
            "by": [{"name": "wanting", "state": ["INTENT"], "inactivity_hours": 24}],
        },
        "cleanup": {"stale_data_days": 3},
        "limits": {"budget": 30},
    }
)


def history(seed: int, journeys: int = 150) -> list[Any]:
    """Records of all kinds over 60 days, on the hour, in order of time but for some late ones."""
    chance = random.Random(seed)
    records: list[Any] = []
    for number in range(journeys):
        journey_id, at = f"j{number}", T0 + chance.randrange(40 * 24) * HOUR_MS
        for count in range(chance.randrange(1, 9)):
            at += int(chance.expovariate(1 / chance.choice((1, 24, 150)))) * HOUR_MS
            if at > T0 + 60 * DAY_MS:
                break
            roll = chance.random()
            if roll < 0.25:
                timeout_ms = chance.choice((None, HOUR_MS, 30 * HOUR_MS))
                records.append(JourneyRegistered(journey_id, None, at, timeout_ms))
            elif roll < 0.35:
                records.append(JourneySignal(journey_id, at, "competitor_conversion"))
            elif roll < 0.45:
                late = touched(f"{number}-{count}", journey_id, at - 5 * DAY_MS, chance)
                records.append(late._replace(event_type="late"))
            else:
                records.append(touched(f"{number}-{count}", journey_id, at, chance))
    # Late ones arrive behind what came five days after them.
    return sorted(records, key=lambda one: one.occurred_at + 5 * DAY_MS * (getattr(one, "event_type", None) == "late"))


def touched(number: str, journey_id: str, at: int, chance: random.Random) -> Touchpoint:
    """A touchpoint of some state, which costs some dollars."""
    return touchpoint(
        number,
        journey_id,
        at,
        chance.choice(("email", None)),
        state=chance.choices((None, "AWARE", "INTENT", "CONVERTED"), (4, 3, 2, 1))[0],
        segment=chance.choice((None, None, "new", "known")),
    )._replace(cost_micros=chance.randrange(20_000_000))


def key_of(dimension: str, one: Watched) -> str:
    """The value of a dimension, as a report calls it."""
    ended = one.abandonment
    return {
        "all": "all",
        "policy": ended.policy_version,
        "reason": ended.abandonment_reason,
        "segment": ended.segment or "(none)",
        "rule": ended.deadline_rule or "(none)",
        "state": ended.state,
        "month": datetime.fromtimestamp(ended.abandoned_at / 1000, UTC).strftime("%Y-%m"),
    }[dimension]


@pytest.mark.parametrize(("horizon_days", "seed"), [(0.5, 1), (5, 2), (9, 3), (9, 4), (20, 5)])
def test_a_report_says_what_a_scan_of_the_records_finds(tmp_path, horizon_days, seed):
    """Also of returns behind the cleanup period, registrations, late touchpoints and deadlines moved into the past."""
    horizon_ms = round(horizon_days * DAY_MS)
    records = history(seed)
    outputs, watched = watched_history(records, POLICY)
    assert any(one.abandonment.abandoned_at < one.watched_from for one in watched)
    touchpoints = [one for one in records if isinstance(one, Touchpoint)]
    folder = exported(tmp_path / "parquet", *outputs, touchpoints)
    report = abandonment_report.report(400, folder=folder, horizon_days=horizon_days)
    found = report.after.filter(polars.col("dimension") != "channel").to_dicts()
    behind_cleanup = False
    for row in found:
        mine = [
            one
            for one in watched
            if key_of(row["dimension"], one) == row["value"]
            and (row["dimension"] == "reason" or one.abandonment.abandonment_reason in BY_DEADLINE)
        ]
        mature = [one for one in mine if one.watched_ms >= horizon_ms]
        came = [one for one in mature if (age := one.age(row["outcome"])) is not None and age < horizon_ms]
        behind_cleanup |= any((one.return_age or 0) > 3 * DAY_MS for one in came)
        counts = [row[name] for name in ("abandonments", "mature", "still_open", "mature_events")]
        assert counts == [len(mine), len(mature), len(mine) - len(mature), len(came)], row
        assert row["mature_event_penalty_micros"] == sum(map(penalty, came))
        if len(mature) < ENOUGH:
            assert [value for name, value in row.items() if name.endswith(("share", "low", "high"))] == [None] * 8
            continue
        assert row["share"] == pytest.approx(kaplan_meier(mine, row["outcome"], horizon_ms), abs=1e-6), row
        assert row["penalty_share"] == pytest.approx(kaplan_meier(mine, row["outcome"], horizon_ms, penalty), abs=1e-6)
        assert row["share_low"] <= row["share"] <= row["share_high"]
        assert row["penalty_share_low"] <= row["penalty_share"] <= row["penalty_share_high"]
        assert row["mature_share"] == pytest.approx(len(came) / len(mature), abs=1e-6)
    keys = Counter((key_of(name, one), name) for one in watched for name in ("policy", "rule", "segment", "reason"))
    assert {(row["value"], row["dimension"]) for row in found} >= keys.keys() - {("(none)", "rule")}
    assert behind_cleanup or horizon_days < 3
    assert report.return_rate == next(row["share"] for row in found if row["dimension"] == "all")


def penalty(one: Watched) -> int:
    """Its penalty in micros."""
    return one.abandonment.total_penalty_micros


def watched_export(folder, ages):
    """Parquet files with an abandonment for each (days watched, days to its return or None), seen until one instant."""
    until = T0 + 400 * DAY_MS
    abandonments, told = [], []
    for number, (watched_days, return_days) in enumerate(ages):
        at = until - round(watched_days * DAY_MS)
        one = abandonment(number, abandoned_at=at, started_at=at - DAY_MS, detected_at=at, last_touchpoint_at=None)
        abandonments.append(one)
        if return_days is not None:
            back = at + round(return_days * DAY_MS)
            told.append(lifecycle(number, "returned", one.journey_id, back, abandonment_id=one.abandonment_id))
    told += [lifecycle(9_999, "started", "another", until, source_partition=0)]
    # What a person did has the time of a person's clock, and is none of the data.
    told += [lifecycle(9_998, "audited_show", "another", until, detected_at=until + 90 * DAY_MS, source_partition=0)]
    return exported(folder, abandonments, told)


def all_returned(folder, horizon_days=30):
    """The row of all abandonments by deadline, and what returned."""
    report = abandonment_report.report(2_000, folder=folder, horizon_days=horizon_days)
    return report.after.row(
        by_predicate=(polars.col("dimension") == "all") & (polars.col("outcome") == "returned"), named=True
    )


def test_the_horizon_is_half_open_and_returns_go_before_ends_of_watching(tmp_path):
    """At exactly the horizon it came too late; watched for exactly the horizon is mature."""
    row = all_returned(
        watched_export(tmp_path, [(30, None)] * 30 + [(40, 30)] * 10 + [(40, 29.9)] * 10 + [(29, None)] * 9)
    )
    assert (row["mature"], row["still_open"], row["mature_events"]) == (50, 9, 10)
    assert row["share"] == row["mature_share"] == 0.2, "nine are at risk no more at 29.9 days"
    # One is seen no longer than until the very age of its return.
    row = all_returned(watched_export(tmp_path / "tie", [(30, None)] * 30 + [(5, 5)] * 10 + [(5, None)] * 10))
    assert row["share"] == 0.2


def test_under_thirty_mature_there_is_no_number(tmp_path):
    """Twenty-nine are not enough, whatever Kaplan-Meier would make of them; nothing at all makes no row."""
    for mature, share in ((29, None), (30, 1.0)):
        row = all_returned(watched_export(tmp_path / str(mature), [(40, 1)] * mature + [(20, 1)] * 500))
        assert (row["mature"], row["share"], row["mature_share"]) == (mature, share, share)
    assert 0.85 < row["share_low"] < row["share_high"] == 1
    none = all_returned(watched_export(tmp_path / "none", [(40, None)] * 100))
    assert none["share"] == none["share_low"] == 0 < none["share_high"] < 0.04
