"""A warehouse of made-up abandonments as Parquet files: what reports are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq

from journeys.agents.history.arrow_tables import arrow_schema, arrow_table
from journeys.analytics.table import Table, all_tables
from journeys.schemas.identity import abandonment_id
from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import REASONS

BEGIN_AT = 1_735_689_600_000
SPAN_DAYS = 180
_AT_A_TIME = 50_000
_STATES = ("UNAWARE", "AWARE", "CONSIDERING", "INTENT")
_CHANNELS = ("search", "display", "social", "video", "email", "affiliate", "direct", None)
_TOUCHES = 3


def write_abandonments(folder: Path, count: int, seed: int) -> dict[str, int]:
    """Write `count` abandonments of half a year, a tenth of them delivered twice, with lifecycle and touchpoints.

    Each journey has a `started`, a seventh a `returned`, a tenth a `converted` of another journey, and all have
    three touchpoints; gives rows by table.
    """
    rows = {}
    for number, table in enumerate(all_tables()):
        (folder / table.name).mkdir(parents=True)
        made = _rows_of(table, number, count, seed)
        rows[table.name] = 0
        with pq.ParquetWriter(folder / table.name / "rows.parquet", arrow_schema(table)) as writer:
            while part := list(islice(made, _AT_A_TIME)):
                writer.write_table(arrow_table(table, part))
                rows[table.name] += len(part)
    return rows


def abandonments(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Fields of the same abandonments, each once."""
    chance = Random(seed)
    nothing: dict[str, Any] = dict.fromkeys(column.name for column in all_tables()[0].columns)
    for number in range(count):
        yield nothing | _abandonment(number, chance)


def _rows_of(table: Table, place: int, count: int, seed: int) -> Iterator[dict[str, Any]]:
    empty = {column.name: None for column in table.columns}
    chance = Random(seed)
    for number in range(count):
        one = _abandonment(number, chance)
        rows = (_delivered, _told, _touched)[place](number, one)
        for row in rows:
            yield empty | row


def _abandonment(number: int, chance: Random) -> dict[str, Any]:
    abandoned_at = BEGIN_AT + chance.randrange(SPAN_DAYS * DAY_MS)
    days = chance.randrange(1, 15)
    started_at = abandoned_at - days * DAY_MS
    journey = f"journey-{number:09d}"
    penalty, opportunity = chance.randrange(200_000_000), chance.randrange(20_000_000)
    return {
        "abandonment_id": abandonment_id(journey, started_at),
        "journey_id": journey,
        "user_id": f"user-{number // 3:09d}",
        "abandonment_reason": chance.choice(REASONS),
        "state": chance.choice(_STATES),
        "started_at": started_at,
        "last_touchpoint_at": abandoned_at - chance.randrange(1, days + 1) * DAY_MS,
        "abandoned_at": abandoned_at,
        "detected_at": abandoned_at + 60_000,
        "days_active": days,
        "touchpoint_count": _TOUCHES,
        "total_cost_micros": chance.randrange(50_000_000),
        "conversion_probability": 0.05,
        "conversion_value_micros": 100_000_000,
        "penalty_amount_micros": penalty,
        "opportunity_cost_micros": opportunity,
        "total_penalty_micros": penalty + opportunity,
        "state_weight": 0.2,
        "time_factor": 0.67232,
        "reason_multiplier": 1.0,
        "formula_version": 1,
        "policy_version": chance.choice(("default-1", "patient-1")),
        "terminated": False,
        "truncated": True,
        "source_topic": "journey-events",
        "source_partition": number % 4,
        "source_offset": number,
    }


def _delivered(number: int, one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield one
    if number % 10 == 0:
        yield one


def _told(number: int, one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    same = {"journey_id": one["journey_id"], "user_id": one["user_id"], "policy_version": one["policy_version"]}
    yield same | _event(f"s{number}", "started", one["started_at"])
    if number % 7 == 0:
        wrong = {name: one[name] for name in ("abandonment_id", "abandonment_reason", "total_penalty_micros")}
        yield same | wrong | _event(f"r{number}", "returned", one["abandoned_at"] + DAY_MS)
    if number % 10 == 0:
        yield same | _event(f"c{number}", "converted", one["abandoned_at"]) | {"journey_id": f"bought-{number:09d}"}


def _event(lifecycle_id: str, kind: str, at: int) -> dict[str, Any]:
    return {"lifecycle_id": lifecycle_id, "kind": kind, "occurred_at": at, "detected_at": at, "started_at": at}


def _touched(number: int, one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for touch in range(_TOUCHES):
        yield {
            "journey_id": one["journey_id"],
            "touchpoint_id": f"{one['journey_id']}-{touch}",
            "occurred_at": one["last_touchpoint_at"] - touch * 3_600_000,
            "channel": _CHANNELS[(number * 7 + touch * 3) % len(_CHANNELS)],
            "event_type": "click",
            "cost_micros": one["total_cost_micros"] // _TOUCHES,
        }
