"""Rows of a test, written by insertAll and read back, as the contracts' records."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from journeys.agents.bigquery.client import Warehouse
from journeys.schemas.instants import format_instant
from journeys.schemas.records import JourneyAbandoned, JourneyLifecycle, Touchpoint

_ONE = JourneyAbandoned(
    abandonment_id="id",
    journey_id="j",
    user_id=None,
    abandonment_reason="TIMEOUT",
    state="AWARE",
    started_at=1_760_000_000_000,
    last_touchpoint_at=None,
    abandoned_at=1_761_000_000_000,
    detected_at=1_761_000_060_000,
    days_active=11,
    touchpoint_count=3,
    total_cost_micros=25_000_000,
    conversion_probability=0.05,
    conversion_value_micros=90_000_000,
    penalty_amount_micros=5_882_800,
    opportunity_cost_micros=1_125_000,
    total_penalty_micros=7_007_800,
    state_weight=0.2,
    time_factor=0.67232,
    reason_multiplier=1.0,
    formula_version=1,
    policy_version="p1",
    terminated=False,
    truncated=True,
    action_id=None,
    touchpoint_policy_version=None,
    propensity=None,
    command_id=None,
    requested_by=None,
    note=None,
    source_topic="journey-events",
    source_partition=0,
    source_offset=17,
)


def abandonment(number: int, **fields: Any) -> JourneyAbandoned:
    """An abandonment that differs from others in its ids, and in the fields that are given."""
    return _ONE._replace(**{"abandonment_id": f"a{number}", "journey_id": f"j{number}", **fields})


def lifecycle(number: int, kind: str, journey_id: str, started_at: int, **fields: Any) -> JourneyLifecycle:
    """A lifecycle record of an episode."""
    told = {"occurred_at": started_at, "detected_at": started_at, **fields}
    return JourneyLifecycle(
        lifecycle_id=f"l{number}", kind=kind, journey_id=journey_id, started_at=started_at, user_id=None, **told
    )


def touchpoint(number: int, journey_id: str, occurred_at: int, channel: str | None, **fields: Any) -> Touchpoint:
    """A touchpoint of a journey."""
    return Touchpoint(
        journey_id=journey_id,
        touchpoint_id=f"t{number}",
        occurred_at=occurred_at,
        channel=channel,
        cost_micros=0,
        **dict.fromkeys(set(Touchpoint._fields) - _TOLD - fields.keys()),
        **fields,
    )


_TOLD = {"journey_id", "touchpoint_id", "occurred_at", "channel", "cost_micros"}


def insert(client: Any, house: Warehouse, table: str, *records: Any, **more: Any) -> None:
    """Write records into a table as they are, with `more` columns."""
    rows = [{name: _said(name, value) for name, value in record._asdict().items()} | more for record in records]
    # Without the client's retries: they would go on for ten minutes.
    errors = client.insert_rows_json(f"{house.path}.{table}", rows, retry=None)
    assert errors == []


def query(client: Any, house: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query; `{d}` in it is the dataset."""
    found = client.query(sql.replace("{d}", house.path)).result(timeout=60)
    return [tuple(row.values()) for row in found]


def in_milliseconds(value: Any) -> Any:
    """A value as the contracts have it: instants as milliseconds."""
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


def _said(name: str, value: Any) -> Any:
    return format_instant(value) if name.endswith("_at") and value is not None else value
