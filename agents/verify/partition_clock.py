"""The clocks of partitions, as a correction by hand finds them. Needs no Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from sys import maxsize
from typing import NamedTuple

from journeys.schemas.instants import format_instant
from journeys.streams.partition.state import Partition


class PartitionClock(NamedTuple):
    """A partition as a correction finds it: its clock (ms), and how many journeys take records again that were late."""

    number: int
    time_source: str | None
    clock: int | None
    journeys: int


def as_found(partition: Partition, at: int) -> PartitionClock:
    """What a correction to `at` (ms) finds in a partition, which is used up: it is corrected to count the journeys."""
    number, time_source, clock = partition.number, partition.time_source, partition.clock
    remembered = [row for row in partition.correct_clock(at, maxsize) if not partition.counts_as_absent(row, at)]
    return PartitionClock(number, time_source, clock, len(remembered))


def is_simulated(clocks: Sequence[PartitionClock]) -> bool:
    """Whether any partition keeps simulated time."""
    return any(one.time_source == "simulated" for one in clocks)


def described(clocks: Sequence[PartitionClock], at: int) -> Iterator[tuple[str, str, str, str]]:
    """Cells of a table: partition, clock, by how many seconds a correction to `at` moves it, journeys."""
    for number, _, clock, journeys in clocks:
        moved = "" if clock is None else f"{(at - clock) / 1000:+,.0f} s"
        yield str(number), "none" if clock is None else format_instant(clock), moved, f"{journeys:,}"
