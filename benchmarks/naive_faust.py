"""The worker that one writes first with Faust: one event at a time, a table, a timer that scans the table.

Written as well as that way allows: a changelog behind a table in memory, batches in the producer, large
fetches, no log of every event. It decodes with the project's codec, takes the time of a partition from its
touchpoints, and knows timeout, inactivity, conversion and return, no more. Timers may not change tables in
Faust, so what the scan finds due goes through a topic to a second agent.

    JOURNEYS_BOOTSTRAP_SERVERS=... python -m benchmarks.naive_faust worker --loglevel warn
"""

from __future__ import annotations

import os
from typing import Any

import faust

from journeys.schemas.codec import Codec
from journeys.schemas.identity import abandonment_id
from journeys.schemas.records import CONVERTED, JourneyAbandoned, Touchpoint
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_EVENTS, TABLE
from journeys.streams.rule.penalty import PenaltyTable, days_active
from journeys.streams.rule.policy import DEFAULT_POLICY

APPLICATION_ID = "naive-faust"
PARTITION_COUNT = 4
SCAN_SECONDS = 5.0
_PENALTIES = PenaltyTable(DEFAULT_POLICY.penalty)


def create_app(bootstrap_servers: str) -> faust.App:
    """Faust app with its agents and its timer, for topics that are there."""
    app = faust.App(
        APPLICATION_ID,
        broker=f"kafka://{bootstrap_servers}",
        store="memory://",
        topic_partitions=PARTITION_COUNT,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 1024 * 1024,
        broker_max_poll_records=5_000,
        stream_buffer_maxsize=16_384,
        producer_linger=0.05,
    )
    raw: dict[str, Any] = {"key_type": str, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    touchpoints = app.topic(JOURNEY_EVENTS, **raw)
    abandonments = app.topic(JOURNEY_ABANDONMENTS, **raw)
    due = app.topic(f"{APPLICATION_ID}-due", partitions=PARTITION_COUNT, internal=True, **raw)
    journeys = app.Table(TABLE, key_type=str, partitions=PARTITION_COUNT)
    codec = Codec()
    clocks: dict[int, int] = {}

    async def abandon(journey_id: str, row: dict[str, Any], detected_at: int) -> None:
        await abandonments.send(key=journey_id, value=codec.encode(_abandonment(journey_id, row, detected_at)))

    @app.agent(touchpoints)
    async def track(stream: Any) -> None:
        async for event in stream.events():
            touchpoint = codec.decode_input(event.value)
            partition = event.message.partition
            clocks[partition] = max(clocks.get(partition, 0), touchpoint.occurred_at)
            row = journeys.get(touchpoint.journey_id)
            if row is not None and _deadline_at(row) <= touchpoint.occurred_at:
                await abandon(touchpoint.journey_id, row, touchpoint.occurred_at)
                row = None
            if touchpoint.state == CONVERTED:
                journeys.pop(touchpoint.journey_id, None)
            else:
                journeys[touchpoint.journey_id] = _applied(row, touchpoint, partition)

    @app.timer(SCAN_SECONDS)
    async def scan() -> None:
        for journey_id, row in list(journeys.items()):
            if _deadline_at(row) <= clocks.get(row["partition"], 0):
                await due.send(key=journey_id, value=b"", partition=row["partition"])

    @app.agent(due)
    async def expire(stream: Any) -> None:
        async for event in stream.events():
            journey_id = event.key
            row = journeys.get(journey_id)
            if row is not None and _deadline_at(row) <= clocks.get(row["partition"], 0):
                journeys.pop(journey_id)
                await abandon(journey_id, row, clocks[row["partition"]])

    return app


def _deadline_at(row: dict[str, Any]) -> int:
    return min(row["started_at"] + DEFAULT_POLICY.timeout_ms, row["last_activity_at"] + DEFAULT_POLICY.inactivity_ms)


def _applied(row: dict[str, Any] | None, touchpoint: Touchpoint, partition: int) -> dict[str, Any]:
    if row is None:
        row = {
            "partition": partition,
            "user_id": touchpoint.user_id,
            "started_at": touchpoint.occurred_at,
            "state": "UNAWARE",
            "touchpoint_count": 0,
            "total_cost_micros": 0,
            "conversion_probability": None,
            "conversion_value_micros": None,
        }
    row["last_activity_at"] = touchpoint.occurred_at
    row["touchpoint_count"] += 1
    row["total_cost_micros"] += touchpoint.cost_micros
    for field in ("state", "conversion_probability", "conversion_value_micros"):
        given = getattr(touchpoint, field)
        if given is not None:
            row[field] = given
    return row


def _abandonment(journey_id: str, row: dict[str, Any], detected_at: int) -> JourneyAbandoned:
    abandoned_at = _deadline_at(row)
    timed_out = abandoned_at == row["started_at"] + DEFAULT_POLICY.timeout_ms
    reason = "TIMEOUT" if timed_out else "INACTIVITY"
    penalty = _PENALTIES.amount(
        total_cost_micros=row["total_cost_micros"],
        state=row["state"],
        reason=reason,
        days=days_active(row["started_at"], abandoned_at),
        conversion_probability=row["conversion_probability"],
        conversion_value_micros=row["conversion_value_micros"],
    )
    nothing: dict[str, Any] = dict.fromkeys(JourneyAbandoned._fields)
    said = nothing | {
        "abandonment_id": abandonment_id(journey_id, row["started_at"]),
        "journey_id": journey_id,
        "user_id": row["user_id"],
        "abandonment_reason": reason,
        "state": row["state"],
        "started_at": row["started_at"],
        "last_touchpoint_at": row["last_activity_at"],
        "abandoned_at": abandoned_at,
        "detected_at": detected_at,
        "touchpoint_count": row["touchpoint_count"],
        "total_cost_micros": row["total_cost_micros"],
        "total_penalty_micros": penalty.total_micros,
        "formula_version": DEFAULT_POLICY.penalty.formula_version,
        "policy_version": DEFAULT_POLICY.version,
        "terminated": False,
        "truncated": True,
    }
    return JourneyAbandoned(**(said | penalty._asdict()))


if __name__ == "__main__":
    create_app(os.environ["JOURNEYS_BOOTSTRAP_SERVERS"]).main()
