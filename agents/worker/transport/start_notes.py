"""Start notes: how often workers have begun at a position without getting past it, kept with the group's offsets.

A record that kills a worker in native code leaves no trace but this: who owns the partition next begins at the same
position. So each worker that gets a partition notes its start before it applies anything, in the metadata of the offset
that it commits. The note goes when a later offset is committed, and stays over rebalances and other workers' starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiokafka.structs import OffsetAndMetadata, TopicPartition

_NOTE: Final = "starts="


class StartNotes:
    """The notes of one consumer, which is aiokafka's. Its commits carry them from then on."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._noted: dict[TopicPartition, tuple[int, int]] = {}
        """Position at which this worker began, and which start that was."""
        self._commit = consumer.commit
        consumer.commit = self.commit

    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit offsets; those at which this worker began with its note."""
        await self._commit({tp: self._with_note(tp, at.offset) for tp, at in offsets.items()})

    async def begin(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Note a start at each position; gives how many were noted there before, none of which got past it.

        Returns when Kafka has the notes. Raises what aiokafka does.
        """
        committed = await self._consumer._coordinator.fetch_committed_offsets(list(positions))
        earlier = {tp: _starts(committed.get(tp), position) for tp, position in positions.items()}
        self._noted = {tp: (position, earlier[tp] + 1) for tp, position in positions.items()}
        await self.commit({tp: OffsetAndMetadata(position, "") for tp, position in positions.items()})
        return earlier

    def _with_note(self, tp: TopicPartition, offset: int) -> OffsetAndMetadata:
        position, starts = self._noted.get(tp, (None, 0))
        return OffsetAndMetadata(offset, f"{_NOTE}{starts}" if offset == position else "")


def _starts(committed: OffsetAndMetadata | None, position: int) -> int:
    if committed is None or committed.offset != position:
        return 0
    note = committed.metadata
    number = note[len(_NOTE) :] if note.startswith(_NOTE) else ""
    return int(number) if number.isdecimal() and len(number) < 10 else 0  # noqa: PLR2004  (a worker wrote it, or nobody)
