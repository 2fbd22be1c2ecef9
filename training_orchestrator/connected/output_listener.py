"""Follows the output topics: counts outputs, resolves the futures of awaited answers, reports abandonments."""

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
# For deduplication: after a crash a worker publishes again, as a rule, the outputs of about a second.
_REMEMBERED_IDS: Final = 200_000
Answer = JourneyAbandoned | JourneyLifecycle


class OutputListener:
    """Reader of all output topics. `tally` counts each output once; `note` gets each abandonment."""

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
        """Why the output topics can't be read; None while they can."""
        if self._outputs is None or self._outputs.fault is None:
            return None
        fault = self._outputs.fault
        return f"{fault}: restart this manager" if isinstance(fault, RecordsDeletedError) else str(fault)

    async def open(self) -> None:
        """Follow the topics from their present ends. Raises OperationError."""
        ends: dict[tuple[str, int], int] = {}
        for topic in _TOPICS:
            async with open_log(self._settings, topic, catalog=None) as reader:
                ends.update({(topic, number): end for number, end in reader.end_offsets.items()})
        self._outputs = FollowedLog(self._settings, self._codec.catalog, ends, self._take)
        self._listening = asyncio.create_task(self._listen(self._outputs))

    async def close(self) -> None:
        """Stop following."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    @contextmanager
    def expecting(self, command_id: str) -> Iterator[asyncio.Future[Answer]]:
        """A future of the answer to a command; send the command within the context."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[command_id] = answer
        try:
            yield answer
        finally:
            del self._answers[command_id]
            answer.cancel()

    async def _listen(self, outputs: FollowedLog) -> None:
        try:
            await outputs.follow(lambda error: log.warning("the output topics can't be read for now", error=str(error)))
        except RecordsDeletedError:
            log.error("the output topics can't be read any more", error=self.fault)

    def _take(self, batch: LogBatch) -> None:
        for message in batch.records:
            try:
                record = self._codec.decode(message.value)
            except InvalidRecordError as error:
                place = {"topic": batch.topic, "partition": batch.partition, "offset": message.offset}
                log.warning("an output can't be read and is skipped", **place, error=str(error))
            else:
                self._receive(record)

    def _receive(self, record: Any) -> None:
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
