"""Content of a store's file, and the outputs of a replay of its input."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyRegistered
from journeys.streams.partition.driver import replay_partition
from journeys.streams.partition.state import Partition
from training_orchestrator.embedded.local_log import entries_of


def outputs(path: Path) -> list[Any]:
    """Stored outputs in their order, decoded."""
    codec = Codec()
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT value FROM output ORDER BY sequence").fetchall()
    return [codec.decode(value) for (value,) in found]


def replayed(path: Path) -> list[Any]:
    """Outputs of a replay of the input, in the order in which they are stored."""
    with sqlite3.connect(path) as connection:
        entries = [entry for batch in entries_of(connection, 0, Codec()) for entry in batch]
    found: list[Any] = []
    for effects in replay_partition(entries, Partition()):
        found += [*effects.abandonments, *effects.lifecycle, *effects.dead_letters]
    return found


def registered(path: Path) -> list[str]:
    """Journeys that the input registers, in its order."""
    with sqlite3.connect(path) as connection:
        entries = [entry for batch in entries_of(connection, 0, Codec()) for entry in batch]
    return [entry[3].journey_id for entry in entries if isinstance(entry[3], JourneyRegistered)]
