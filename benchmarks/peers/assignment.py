"""What a peer is to do, as it finds it in its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_EVENTS

# How often Flink takes a checkpoint, Kafka Streams commits, Bytewax snapshots: several times within a run of some
# seconds, so that what it costs to make state durable is in the figures. The worker does it after every batch.
DURABLE_EVERY_SECONDS: Final = 2.0


def assignment(touchpoints: int, folder: Path) -> dict[str, str]:
    """Environment variables for the work on so many touchpoints, with a folder for whatever the peer writes."""
    return {
        "PEER_INPUT": JOURNEY_EVENTS,
        "PEER_OUTPUT": JOURNEY_ABANDONMENTS,
        "PEER_SCHEMA_ID": str(Codec().catalog.id_of("JourneyAbandoned")),
        "PEER_TOUCHPOINTS": str(touchpoints),
        "PEER_DURABLE_EVERY_MS": str(int(DURABLE_EVERY_SECONDS * 1_000)),
        "PEER_FOLDER": str(folder),
    }
