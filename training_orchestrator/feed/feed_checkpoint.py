"""A feed's checkpoint: its position as bytes, stored with the model that was trained up to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.sources.published_outputs import Place

_MAGIC: Final = b"JFC1"
_ID_BYTES: Final = 16
_DIGEST_BYTES: Final = 16


class BadCheckpointError(StoreUnavailableError):
    """Bytes that are not a whole checkpoint, or one of another source or with other options."""


@dataclass(slots=True)
class FeedCheckpoint:
    """Position of a feed and the ids of what it gave. It grows by 16 bytes for each abandonment or conversion."""

    source: str
    as_of: int | None = None
    since: int | None = None
    price: str = "net"
    """`price` of the feed's rewards."""
    positions: dict[Place, int] = field(default_factory=dict)
    given: set[bytes] = field(default_factory=set)
    """Ids of abandonments and conversions given."""
    corrected: set[bytes] = field(default_factory=set)
    """Ids of abandonments whose correction was given."""
    topic_ids: dict[str, str] = field(default_factory=dict)
    """Ids that Kafka gave the topics of the positions, by name; empty for what was never read from Kafka."""
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Lifecycle records whose correction was not given yet, by the id of the abandonment that they correct."""

    def to_bytes(self) -> bytes:
        """Bytes for `from_bytes`; a digest at their end shows whether they are whole."""
        header = json.dumps(
            {
                "source": self.source,
                "as_of": self.as_of,
                "since": self.since,
                "price": self.price,
                "positions": [[*place, offset] for place, offset in sorted(self.positions.items())],
                "topic_ids": self.topic_ids,
                "held": self.held,
                "given": len(self.given),
            },
            separators=(",", ":"),
        ).encode()
        body = b"".join((_MAGIC, len(header).to_bytes(4, "big"), header, *sorted(self.given), *sorted(self.corrected)))
        return body + blake2b(body, digest_size=_DIGEST_BYTES).digest()

    @classmethod
    def from_bytes(cls, stored: bytes) -> FeedCheckpoint:
        """Checkpoint of bytes that `to_bytes` made. Raises BadCheckpointError."""
        body, digest = stored[:-_DIGEST_BYTES], stored[-_DIGEST_BYTES:]
        if not stored.startswith(_MAGIC) or blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
            raise BadCheckpointError(f"these {len(stored)} bytes are not a whole checkpoint of a feed")
        begin = len(_MAGIC) + 4
        end = begin + int.from_bytes(body[len(_MAGIC) : begin], "big")
        header = json.loads(body[begin:end])
        ids = [body[at : at + _ID_BYTES] for at in range(end, len(body), _ID_BYTES)]
        return cls(
            source=header["source"],
            as_of=header["as_of"],
            since=header["since"],
            price=header.get("price", "penalty"),  # older checkpoints are of penalties
            positions={(topic, partition): offset for topic, partition, offset in header["positions"]},
            given=set(ids[: header["given"]]),
            corrected=set(ids[header["given"] :]),
            topic_ids=header.get("topic_ids", {}),  # older checkpoints have none
            held=header["held"],
        )
