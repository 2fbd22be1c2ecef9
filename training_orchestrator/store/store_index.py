"""Makes the dashboard's index of an embedded manager's file, in one snapshot; its manager may be running."""

from __future__ import annotations

import asyncio
from itertools import chain
from pathlib import Path

from journeys.agents.dashboard.checking import Checked, Compared, LastCheck, compared_topics
from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.agents.dashboard.log_index import LogIndexer
from journeys.schemas.codec import Codec
from journeys.streams.partition.state import Partition
from training_orchestrator.embedded.local_log import entries_of, store_connection
from training_orchestrator.store.store_commands import StoreCommands


def index_store(path: Path, index: JourneyIndex) -> None:
    """Replay the file's log and index it. Raises StoreUnavailableError."""
    with store_connection(path) as connection:
        connection.execute("BEGIN")
        LogIndexer(Partition(), index.parts[0]).take(chain.from_iterable(entries_of(connection, 0, Codec())))
    index.flush()


def check_of_store(path: Path) -> LastCheck:
    """The check of a store that the page can run."""

    def compare() -> Checked:
        report = StoreCommands(path).check(0)
        rows = [
            Compared(f"rows of {one.kind}", one.equal, one.missing, one.extra, one.different)
            for one in report.table.counts
        ]
        return Checked(report.ok, [*rows, *compared_topics(report.outputs)])

    async def check() -> Checked:
        return await asyncio.to_thread(compare)

    return LastCheck(check, f"journeys check --store {path}")
