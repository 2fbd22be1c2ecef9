"""Writes the records of an import, each with its place, and none that is in the log already."""

from __future__ import annotations

from journeys.agents.history.import_place import ImportPlace, last_place
from journeys.agents.kafka.record_producer import EncodedRecord, RecordProducer
from journeys.agents.kafka.topic_time import TopicTime
from journeys.schemas.instants import EARLIEST
from journeys.schemas.records import ClockCorrected, Punctuation


class ImportWriter:
    """Appends records with the header that says their place, but those that are in the log already."""

    def __init__(self, producer: RecordProducer, time: TopicTime, import_id: str) -> None:
        self._producer = producer
        self._id = import_id
        self._done: dict[int, int] = {}
        self._clocks: dict[int, int | None] = {}
        for partition in range(producer.partition_count):
            end = time.ends.get(partition)
            found = None if end is None else last_place(end, import_id)
            clock = None if end is None else end.clock
            self._done[partition] = 0 if found is None else found.place
            self._clocks[partition] = (None if clock == EARLIEST else clock) if found is None else found.clock

    @property
    def clock(self) -> int | None:
        """The greatest clock of a partition in front of the import."""
        return max((clock for clock in self._clocks.values() if clock is not None), default=None)

    def clock_of(self, partition: int) -> int | None:
        """Clock of a partition in front of the import."""
        return self._clocks[partition]

    async def append(self, encoded: EncodedRecord, line: int, place: int) -> bool:
        """Append a record unless it is there; gives whether it was appended."""
        partition = encoded.partition
        if place <= self._done[partition]:
            return False
        header = ImportPlace(self._id, line, place, self._clocks[partition]).header()
        await self._producer.append(encoded, [header])
        return True

    async def append_to_all(self, record: Punctuation | ClockCorrected, line: int, place: int) -> None:
        """Append a record to every partition where it is not there. Raises InvalidRecordError."""
        value = self._producer.encode_value(record)
        for partition in self._done:
            await self.append(EncodedRecord(partition, None, value), line, place)
