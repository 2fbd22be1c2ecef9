"""The connected backend: calls become records of `journey-events`, workers answer on the output topics."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError

from journeys.agents.inspect.policies_in_force import policies_in_force
from journeys.agents.inspect.row_reader import read_row
from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.record_producer import RecordProducer, RecordsNotSentError
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle, JourneyRecord, PolicyChanged
from journeys.schemas.topics import JOURNEY_ABANDONMENTS
from journeys.streams.partition.abandonment_metrics import BY_DEADLINE
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row
from training_orchestrator.api.answers import AnswerOutstandingError, StoreUnavailableError
from training_orchestrator.api.figures import Figures
from training_orchestrator.connected.output_listener import OutputListener

if TYPE_CHECKING:
    from training_orchestrator.mirror.connected_mirror import ConnectedMirror

log = logging.getLogger("journeys.trainer")
_KEPT_TIMED_OUT: Final = 100_000
_REQUESTED_BY: Final = "training_orchestrator"


class ConnectedJourneys:
    """A JourneyBackend over Kafka. A `policy` is put in force; `answer_seconds` limits every wait."""

    mode = "connected"
    needs_its_loop = True

    def __init__(self, settings: Settings, policy: Policy | None, answer_seconds: float) -> None:
        self._settings = settings
        self._policy = policy
        self._answer_seconds = answer_seconds
        self._codec = Codec()
        self._producer: RecordProducer | None = None
        self._opening = asyncio.Lock()
        self._timed_out: deque[JourneyAbandoned] = deque(maxlen=_KEPT_TIMED_OUT)
        self._listener = OutputListener(settings, self._codec, self._note)
        self.mirror: ConnectedMirror | None = None
        """Mirrors the workers' journeys to Redis; set it before `open`."""

    @property
    def fault(self) -> str | None:
        """Why the output topics can't be read; None while they can."""
        return self._listener.fault

    async def open(self) -> None:
        """Follow the output topics from their present ends, connect, and put the policy in force."""
        async with self._answered("start"):
            self._codec.catalog = await own_catalog(self._settings)
            await self._listener.open()
            try:
                producer = await self._connected()
                if self._policy is not None:
                    await self._put_in_force(self._policy, producer)
            except BaseException:
                await self._listener.close()
                raise
        if self.mirror is not None:
            self.mirror.start()

    async def close(self) -> None:
        """Stop following, and disconnect; acknowledged records are in the log."""
        await self._listener.close()
        if self.mirror is not None:
            await self.mirror.stop()
        producer, self._producer = self._producer, None
        if producer is not None:
            async with self._answered("stop"):
                await producer.__aexit__(None, None, None)

    async def write(self, records: Sequence[JourneyRecord]) -> None:
        """Append, and wait for the acknowledgements of all replicas."""
        async with self._answered(f"{len(records)} records"):
            producer = await self._connected()
            # All are encoded first, so that an invalid record fails the whole call before anything is sent.
            for encoded in [producer.encode(record) for record in records]:
                await producer.append(encoded)
            await producer.flush()

    async def request(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle:
        """Append a command and wait for the worker's answer."""
        assert command.command_id is not None
        with self._listener.expecting(command.command_id) as answer:
            await self.write([command])
            async with self._answered(f"command {command.command_id}"):
                return await answer

    async def take_timed_out(self) -> list[JourneyAbandoned]:
        """Those that workers published. At most the last 100,000 are kept until they are taken; the feed has all."""
        if (fault := self.fault) is not None:
            raise StoreUnavailableError(f"the output topics can't be read for now; nothing is lost: {fault}")
        taken = list(self._timed_out)
        self._timed_out.clear()
        return taken

    async def row(self, journey_id: str) -> Row | None:
        """Row as of the worker's last flush, read from the changelog: takes longer for a larger partition."""
        async with self._answered(f"journey {journey_id}"):
            view = await read_row(self._settings, journey_id)
        row = view.row
        is_past_cleanup = row is not None and not row.open and (row.cleanup_at or 0) <= (view.clock or 0)
        return None if is_past_cleanup else row

    async def abandonments_since(self, at: int) -> list[JourneyAbandoned]:
        """From the topic, beginning with the first message that is not older than `at`."""
        by_id: dict[str, JourneyAbandoned] = {}
        async with (
            self._answered("abandonments"),
            open_log(self._settings, JOURNEY_ABANDONMENTS, catalog=self._codec.catalog) as topic,
        ):
            starts = await topic.offsets_at_time(at)
            for partition, start in starts.items():
                async for batch in topic.read_partition(partition, start=start):
                    for message in batch.records:
                        record: JourneyAbandoned = self._codec.decode(message.value)
                        if record.detected_at >= at:
                            by_id[record.abandonment_id] = record
        return sorted(by_id.values(), key=lambda record: (record.detected_at, record.abandoned_at, record.journey_id))

    async def clean_up(self) -> int | None:
        """None: workers clean up by themselves, at each punctuation."""
        return None

    async def policy(self) -> Policy:
        """The policy in force in the first partition; `journeys policy show` has all."""
        async with self._answered("policy"):
            return (await policies_in_force(self._settings))[0].policy

    async def figures(self) -> Figures:
        """Counts of the outputs since `open`; only the workers know the number of open journeys."""
        return self._listener.tally.figures(
            self.mode,
            is_healthy=self.fault is None,
            active=None,
            duplicates=None,
            does_cleanup=False,
            redis=self.mirror,
        )

    def _note(self, record: JourneyAbandoned) -> None:
        if record.abandonment_reason in BY_DEADLINE:
            self._timed_out.append(record)

    async def _put_in_force(self, policy: Policy, producer: RecordProducer) -> None:
        for partition in await policies_in_force(self._settings):
            if partition.policy != policy:
                log.info("partition %d: policy %s is appended", partition.number, policy.version)
                record = PolicyChanged(policy.version, policy.to_json(), now_ms(), _REQUESTED_BY)
                await producer.send_to_partition(record, partition.number)
        await producer.flush()

    async def _connected(self) -> RecordProducer:
        async with self._opening:
            if self._producer is not None and self._producer.has_failed:
                await self._drop_producer()  # it failed on records of an earlier call, which has raised
            if self._producer is None:
                self._producer = await RecordProducer(self._settings, self._codec).__aenter__()
            return self._producer

    @asynccontextmanager
    async def _answered(self, what: str) -> AsyncIterator[None]:
        """Limit the wait, and turn errors of Kafka into those of the API, which are the same embedded."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                yield
        except TimeoutError:
            raise AnswerOutstandingError(
                f"{what}: no answer within {self._answer_seconds:g} s; is Kafka there, and a worker running?"
            ) from None
        except RecordsNotSentError as error:
            await self._drop_producer()
            raise AnswerOutstandingError(str(error)) from error
        except (OperationError, KafkaError) as error:
            raise StoreUnavailableError(str(error)) from error

    async def _drop_producer(self) -> None:
        """Close a failed producer, which can't be used again; the next call makes a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(OperationError, KafkaError):
                await producer.__aexit__(RecordsNotSentError, None, None)
