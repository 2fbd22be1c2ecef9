"""Listens to the output topics: counts, gives answers to whoever waits for them, and abandonments to a callback."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import uniform
from typing import Any, Final

from aiokafka.errors import KafkaError

from agents.log_reader import LogBatch, open_log, tail
from agents.operation_error import OperationError
from agents.schema_registry import registry_of
from agents.settings import Settings
from schemas.codec import Codec
from schemas.invalid import InvalidRecordError
from schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle
from schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from training_orchestrator.tally import Tally
from training_orchestrator.trainer_log import trainer_log

log = trainer_log("journeys.trainer")
_TOPICS: Final = (JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE, DEAD_LETTERS)
# A worker that crashes publishes again what its partitions had gathered: a second's outputs, as a rule.
_REMEMBERED_IDS: Final = 200_000
_RETRY_SECONDS: Final = (0.5, 1.5)
Answer = JourneyAbandoned | JourneyLifecycle


class OutputListener:
    """One listener. `tally` counts each output once; `is_healthy` says whether Kafka gives outputs."""

    def __init__(self, settings: Settings, codec: Codec, note: Callable[[JourneyAbandoned], None]) -> None:
        self.tally = Tally()
        self.is_healthy = False
        self._settings = settings
        self._codec = codec
        self._note = note
        self._positions: dict[tuple[str, int], int] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Note where the topics end now, and listen from there on. Raises OperationError."""
        for topic in _TOPICS:
            async with open_log(self._settings, topic) as reader:
                self._positions.update({(topic, number): end for number, end in reader.end_offsets.items()})
        self.is_healthy = True
        self._listening = asyncio.create_task(self._listen())

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

    async def _listen(self) -> None:
        while True:
            try:
                async with registry_of(self._settings, self._codec.catalog) as registry:
                    async for batch in tail(self._settings, _TOPICS, start_offsets=self._positions):
                        self.is_healthy = True
                        if registry is not None:
                            await registry.learn_from(record.value for record in batch.records)
                        self._take(batch)
            except (OperationError, KafkaError, OSError) as error:
                self.is_healthy = False
                log.warning("outputs are not heard for now", error=str(error))
                await asyncio.sleep(uniform(*_RETRY_SECONDS))  # noqa: S311  (spreads retries, keeps no secret)

    def _take(self, batch: LogBatch) -> None:
        for message in batch.records:
            try:
                record = self._codec.decode(message.value)
            except InvalidRecordError as error:
                place = {"topic": batch.topic, "partition": batch.partition, "offset": message.offset}
                log.warning("an output is passed over", **place, error=str(error))
            else:
                self._hear(record)
        self._positions[batch.topic, batch.partition] = batch.records[-1].offset + 1

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
                answer.set_exception(InvalidRecordError("command", command_id, letter.reason))
