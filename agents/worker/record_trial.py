"""The process in which records are tried: each one is read, decoded and applied as a worker does it.

It tells its parent the offset of each record before it tries it, or of the first of a fetch, and behind the last one
of a fetch that all of it came through. Its memory is limited, and whatever a record does happens to nobody else.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.kafka.unpacked_batches import unpack_in_pieces_everywhere
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.compiled.engine_choice import load_engine

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from journeys.agents.settings.settings import Settings
    from journeys.schemas.marks import Marks

_MEMORY_BYTES: Final = 1024**3
"""Memory that records may take beside what the process has at its start: the largest that are taken need some MiB."""


class Trial(NamedTuple):
    """What is tried: records of one partition from `first` up to `end`, read as its marks say."""

    settings: Settings
    number: int
    partition_count: int
    first: int
    end: int
    marks: Marks
    one_by_one: bool


def try_records(trial: Trial, parent: Connection) -> None:
    """Try what a trial says, in a process of its own; the parent is sent offsets, and None behind each fetch."""
    _limit(resource.RLIMIT_AS, _address_space_bytes() + _MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    asyncio.run(_try(trial, parent))


async def _try(trial: Trial, parent: Connection) -> None:
    unpack_in_pieces_everywhere()
    codec = Codec(await own_catalog(trial.settings))
    async with open_log(trial.settings, JOURNEY_EVENTS, catalog=codec.catalog) as reader:
        end = min(trial.end, reader.end_offsets[trial.number])
        async for batch in reader.read_partition(trial.number, start=trial.first, end=end, marks=trial.marks):
            together = [[record] for record in batch.records] if trial.one_by_one else [batch.records]
            for records in together:
                parent.send(records[0].offset)
                _try_together(records, trial, codec)
            parent.send(None)


def _try_together(records: Sequence[Any], trial: Trial, codec: Codec) -> None:
    """Apply records to a partition without rows, by the engine that the worker has."""
    processor = load_engine(trial.settings.engine).processor(trial.number, trial.partition_count, codec)
    processor.partition.marks = trial.marks
    processor.process_log(records, codec)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _address_space_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    except OSError:  # only Linux has it
        return 4 * _MEMORY_BYTES
