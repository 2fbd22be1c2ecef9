"""Faust's own table with the store in memory, restored by Faust's own path; says how long that took.

JOURNEYS_BOOTSTRAP_SERVERS=... python -m benchmarks.plain_faust_table worker --loglevel warn --without-web
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from time import monotonic
from typing import Any

import faust

from journeys.schemas.topics import DEFAULT_PARTITION_COUNT, JOURNEY_EVENTS, TABLE

APPLICATION_ID = "plain-faust"


class TimedTable(faust.Table):
    """A table that is timed as the worker times its own: from the first changelog records to the last."""

    began_at: float | None = None

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Take the time of the first one."""
        if self.began_at is None:
            self.began_at = monotonic()
        super().apply_changelog_batch(batch)

    async def on_recovery_completed(self, active_tps: Any, standby_tps: Any) -> None:
        """Say how many rows there are, and how long they took."""
        await super().on_recovery_completed(active_tps, standby_tps)
        seconds = 0.0 if self.began_at is None else monotonic() - self.began_at
        print(f"restored: {len(self.data)} journeys, {seconds:.2f} s", flush=True)


def create_app(bootstrap_servers: str) -> faust.App:
    """Faust app whose one agent reads the input topic, so that the table's partitions are assigned."""
    app = faust.App(
        APPLICATION_ID,
        broker=f"kafka://{bootstrap_servers}",
        store="memory://",
        Table=TimedTable,
        topic_partitions=DEFAULT_PARTITION_COUNT,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 1024 * 1024,
        broker_max_poll_records=5_000,
    )
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    app.Table(TABLE, key_type=bytes, value_type=bytes, partitions=DEFAULT_PARTITION_COUNT)

    @app.agent(app.topic(JOURNEY_EVENTS, **raw))
    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    return app


if __name__ == "__main__":
    create_app(os.environ["JOURNEYS_BOOTSTRAP_SERVERS"]).main()
