"""Ports: protocols of the few calls by which the parts of a worker use each other. The Faust app implements them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from faust.types import TP

    from journeys.agents.kafka.schema_registry import SchemaRegistry
    from journeys.agents.worker.ports.batch import Batch
    from journeys.agents.worker.ports.local_copy import LocalCopy
    from journeys.schemas.codec import Codec
    from journeys.streams.compiled.engine_choice import Engine
    from journeys.streams.partition.effects import Effects
    from journeys.streams.partition.protocols import JourneyPartition, JourneyProcessor
    from journeys.streams.stored.stored_row import StoredRow


class Membership(Protocol):
    """The worker's membership in its consumer group."""

    @property
    def rebalancing(self) -> bool:
        """Whether a rebalance, or the restore after it, is under way."""

    @property
    def rebalancing_count(self) -> int:
        """How many rebalances have begun; 0 before the worker has tried to join."""

    @property
    def consumer_generation_id(self) -> int:
        """Number of the latest assignment."""

    @property
    def should_stop(self) -> bool:
        """Whether the worker is stopping."""

    def input_partitions(self) -> list[int]:
        """Input partitions that are assigned to this worker."""


class Positions(Protocol):
    """Positions in the input topic: the next offset to apply, by partition."""

    next_position: dict[TP, int]

    def is_gap(self, tp: TP, batch: Batch) -> bool:
        """Whether records are missing between the next position and a batch that begins behind it."""

    def seek_back(self, tp: TP) -> None:
        """Fetch again from the next position."""

    def is_held(self, tp: TP) -> bool:
        """Whether a partition is not fetched for the time being."""

    def hold(self, tp: TP) -> None:
        """Fetch no more of a partition; what was fetched before may be dropped."""

    def let_go(self, tp: TP) -> None:
        """Fetch a partition again, from its next position on."""

    def has_sought_since(self, tp: TP, batch: Batch) -> bool:
        """Whether a seek back was made or requested since the batch was fetched."""

    async def commit_positions(self) -> None:
        """Commit the next position of every partition."""

    def highwater(self, tp: TP) -> int | None:
        """End offset of a partition as of the last fetch."""

    async def highwaters(self, *partitions: TP) -> dict[TP, int | None]:
        """End offsets of partitions, requested from Kafka."""

    async def lost_positions(self) -> dict[TP, str]:
        """Partitions whose next record is not in the log any more, with what happened to it."""


class Partitions(Protocol):
    """Partitions that are restored, by number."""

    processors: dict[int, JourneyProcessor]

    def next_offset(self, number: int) -> int | None:
        """Offset of the input record to apply next; None while the partition is not restored."""


class Outbox(Protocol):
    """Writes outputs and rows to Kafka, each acknowledged before the next."""

    def begin(self, number: int, changelog_end: int) -> None:
        """Note that a partition is restored up to this offset of its changelog."""

    async def flush(self, partition: JourneyPartition, effects: Effects) -> None:
        """Publish outputs and store rows; returns when all are acknowledged."""

    async def write_rows(self, number: int, rows: Sequence[StoredRow]) -> None:
        """Append rows to the changelog."""


class Changelog(Protocol):
    """The table's changelog, and how far Faust has read it. Output topics have the `topic_prefix` in their names."""

    topic_prefix: str

    @property
    def changelog_topic(self) -> str:
        """Name of its topic."""

    def batch_producer(self) -> Any:
        """The running AIOKafkaProducer."""

    def mark_changelog_read(self, number: int, offset: int) -> None:
        """Tell Faust that a partition's changelog need not be read up to this offset."""


class Worker(Membership, Protocol):
    """A worker as its agent and timers see it."""

    @property
    def consumer(self) -> Positions:
        """Positions in the input topic."""

    @property
    def held_back(self) -> Collection[TP]:
        """Input partitions of which nothing is fetched: they wait for the schema registry."""

    @property
    def store(self) -> Partitions:
        """Partitions of this worker."""

    @property
    def flusher(self) -> Outbox:
        """Writer of effects."""


class InputOwner(Membership, Protocol):
    """A worker as its consumer sees it."""

    input_topic: str

    @property
    def held_back(self) -> Collection[TP]:
        """Input partitions of which nothing is fetched: they wait for the schema registry."""

    @property
    def store(self) -> Partitions:
        """Partitions of this worker."""


class MarkReader(Protocol):
    """Looks for marks ahead of what restored partitions have applied."""

    async def read(self, numbers: Iterable[int]) -> None:
        """Know the marks of partitions up to the present end of the log."""


class Starts(Protocol):
    """Is told of each partition that a worker begins with."""

    async def begin(self, partition: JourneyPartition) -> None:
        """Note where the worker begins, and pass over what none gets past."""


class TableOwner(Membership, Protocol):
    """A worker as its table sees it. `tables` is Faust's own table manager."""

    codec: Codec
    engine: Engine
    local_copy: LocalCopy
    registry: SchemaRegistry | None
    marks: MarkReader
    quarantine: Starts
    partition_count: int
    topic_ids: dict[str, str]
    client_options: dict[str, Any]
    tables: Any

    @property
    def changelog_topic(self) -> str:
        """Name of the table's changelog."""

    @property
    def flusher(self) -> Outbox:
        """Writer of rows that are written again."""


class TimeWriter(Protocol):
    """Writes the time into the input topic."""

    def stalled(self, seconds: float) -> str | None:
        """Why no time is written, if that has been so for longer than this; else None."""


class MemoryGate(Protocol):
    """Makes the agent wait while memory is short."""

    is_reached: bool

    async def wait_for_room(self) -> None:
        """Return at once below the limit; else wait until enough memory is free again."""
