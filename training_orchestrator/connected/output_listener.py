"""Listens to the output topics: counts, gives answers to whoever waits for them, and abandonments to a callback."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from journeys.agents.kafka.log_reader import LogBatch, RecordsDeletedError, open_log
from journeys.agents.settings.settings import Settings
from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from training_orchestrator.backend.output_tally import Tally
from training_orchestrator.runtime.trainer_log import trainer_log
from training_orchestrator.sources.followed_log import FollowedLog

log = trainer_log("journeys.trainer")
_TOPICS: Final = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE, DEAD_LETTERS)
# A worker that crashes publishes again what its partitions had gathered: a second's outputs, as a rule.
_REMEMBERED_IDS: Final = 200_000
Answer = JourneyAbandoned | JourneyLifecycle


class OutputListener:
    """One listener. `tally` counts each output once."""

    def __init__(self, settings: Settings, codec: Codec, note: Callable[[JourneyAbandoned], None]) -> None:
        self.tally = Tally()
        self._settings = settings
        self._codec = codec
        self._note = note
        self._outputs: FollowedLog | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._listening: asyncio.Task[None] | None = None

    @property
    def fault(self) -> str | None:
        """Why Kafka gives no outputs; None while it does."""
        if self._outputs is None or self._outputs.fault is None:
            return None
        fault = self._outputs.fault
        return f"{fault}: start this manager anew" if isinstance(fault, RecordsDeletedError) else str(fault)

    async def open(self) -> None:
        """Note where the topics end now, and listen from there on. Raises OperationError."""
        ends: dict[tuple[str, int], int] = {}
        for topic in _TOPICS:
            async with open_log(self._settings, topic, catalog=None) as reader:
                ends.update({(topic, number): end for number, end in reader.end_offsets.items()})
        self._outputs = FollowedLog(self._settings, self._codec.catalog, ends, self._take)
        self._listening = asyncio.create_task(self._listen(self._outputs))

    async def close(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    @contextmanager
    def expecting(self, command_id: str) -> Iterator[asyncio.Future[Answer]]:
        """Give a future of the answer to a command that is sent within."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[command_id] = answer
        try:
            yield answer
        finally:
            del self._answers[command_id]
            answer.cancel()

    async def _listen(self, outputs: FollowedLog) -> None:
        try:
            await outputs.follow(lambda error: log.warning("outputs are not heard for now", error=str(error)))
        except RecordsDeletedError:
            log.error("outputs are not heard any more", error=self.fault)

    def _take(self, batch: LogBatch) -> None:
        for message in batch.records:
            try:
                record = self._codec.decode(message.value)
            except InvalidRecordError as error:
                place = {"topic": batch.topic, "partition": batch.partition, "offset": message.offset}
                log.warning("an output is passed over", **place, error=str(error))
            else:
                self._hear(record)

    def _hear(self, record: Any) -> None:
        if isinstance(record, DeadLetter):
            self.tally.dead_letters += 1
            self._refuse(record)
            return
        if record[0] in self._seen:  # its id
            return
        self._seen[record[0]] = None
        if len(self._seen) > _REMEMBERED_IDS:
            self._seen.popitem(last=False)
        if isinstance(record, JourneyAbandoned):
            self.tally.abandonments([record])
            self._note(record)
        elif isinstance(record, JourneyLifecycle):
            self.tally.lifecycle([record])
        answer = self._answers.get(record.command_id or "")
        if answer is not None and not answer.done():
            answer.set_result(record)

    def _refuse(self, letter: DeadLetter) -> None:
        for command_id, answer in self._answers.items():
            if command_id.encode() in (letter.record_value or b"") and not answer.done():
                answer.set_exception(InvalidRecordError.of_reason(letter.reason))
