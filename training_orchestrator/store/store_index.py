"""Makes the dashboard's index of an embedded manager's file, in one snapshot; its manager may be running."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.agents.dashboard.log_index import LogIndexer
from journeys.schemas.codec import Codec
from journeys.streams.partition.state import Partition
from training_orchestrator.embedded.local_log import entries_of, store_connection


def index_store(path: Path, index: JourneyIndex) -> None:
    """Replay the file's log and index it. Raises StoreUnavailableError."""
    with store_connection(path) as connection:
        connection.execute("BEGIN")
        LogIndexer(Partition(), index.parts[0]).take(chain.from_iterable(entries_of(connection, 0, Codec())))
    index.flush()
