"""What the topics tell of a run: when each partition made progress, and how often the group was rebalanced."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.rows import PARTITION_KEY
from journeys.schemas.topics import changelog_name
from journeys.streams.partition.changelog import row_offset

_GROUPS: Final = "__consumer_offsets"
_GROUP_KEY_VERSION: Final = 2
# A flush ends with its partition row, and holds at most a row for each record of a batch.
_LONGEST_FLUSH: Final = 10_000
# Under a steady load a partition moves many times a second.
STALLED_AFTER_SECONDS: Final = 1.0


class Progress(NamedTuple):
    """A partition row: at this instant (epoch seconds) all up to `offset` was published and its rows were stored."""

    at: float
    offset: int


async def read_progress(settings: Settings) -> dict[int, list[Progress]]:
    """Partition rows that moved on, by partition, in order; the time is that of handing the row to the producer."""
    found: dict[int, list[Progress]] = {}
    async with open_log(settings, changelog_name(settings.application_id), catalog=None) as log:
        for number in range(log.partition_count):
            moves = found[number] = []
            async for batch in log.read_partition(number):
                for record in batch.records:
                    if record.key == PARTITION_KEY:
                        offset = row_offset(record.value)
                        if not moves or offset > moves[-1].offset:
                            moves.append(Progress(record.timestamp / 1000, offset))
    return found


async def applied_offsets(settings: Settings) -> dict[int, int]:
    """By partition, the offset behind the last record that is applied, published and stored; 0 before the first."""
    applied: dict[int, int] = {}
    async with open_log(settings, changelog_name(settings.application_id), catalog=None) as log:
        for number, end in log.end_offsets.items():
            applied[number] = 0
            async for batch in log.read_partition(number, start=max(0, end - _LONGEST_FLUSH)):
                for record in batch.records:
                    if record.key == PARTITION_KEY:
                        applied[number] = row_offset(record.value) + 1
    return applied


def seconds_until_back(progress: Mapping[int, Sequence[Progress]], at: float, partitions: Iterable[int]) -> float:
    """Seconds from `at` until each of the partitions has made progress again; infinity if one never did."""
    return max(next((move.at - at for move in progress[number] if move.at > at), float("inf")) for number in partitions)


def stalled_shares(progress: Mapping[int, Sequence[Progress]], begin: float, end: float) -> dict[int, float]:
    """By partition, the share of the span in which it stood still: pauses longer than STALLED_AFTER_SECONDS, whole."""
    shares = {}
    for number, moves in progress.items():
        instants = [begin, *(move.at for move in moves if begin < move.at < end), end]
        pauses = [after - before for before, after in pairwise(instants)]
        shares[number] = sum(pause for pause in pauses if pause > STALLED_AFTER_SECONDS) / (end - begin)
    return shares


def longest_pauses(progress: Mapping[int, Sequence[Progress]], begin: float, end: float) -> tuple[float, float]:
    """Longest pause of any partition that touches the span, and the longest in which none of them moved, whole."""
    each = [_longest_pause([move.at for move in moves], begin, end) for moves in progress.values()]
    return max(each), _longest_pause(sorted(move.at for moves in progress.values() for move in moves), begin, end)


def _longest_pause(instants: Sequence[float], begin: float, end: float) -> float:
    """Seconds; infinity if nothing came behind the span."""
    if not instants or instants[-1] <= end:
        return float("inf")
    return max(after - before for before, after in pairwise([begin, *instants]) if after > begin and before < end)


async def count_rebalances(settings: Settings) -> int:
    """Generations of the workers' group: each rebalance makes one."""
    generation = 0
    async with open_log(settings, _GROUPS, catalog=None) as log:
        for number in range(log.partition_count):
            async for batch in log.read_partition(number):
                for record in batch.records:
                    if record.value and _group_of(record.key) == settings.application_id:
                        generation = max(generation, _generation(record.value))
    return generation


def _group_of(key: bytes) -> str | None:
    """Group that a record is about, if it is about a group's members: version, name."""
    (version,) = struct.unpack_from(">h", key)
    return key[4:].decode() if version == _GROUP_KEY_VERSION else None


def _generation(value: bytes) -> int:
    """Generation of a group's members: version, protocol type, generation."""
    _, length = struct.unpack_from(">hh", value)
    (generation,) = struct.unpack_from(">i", value, 4 + length)
    return int(generation)
