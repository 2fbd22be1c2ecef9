"""From lines to acknowledged records: validated, once for each id, and answered when they are in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final, Literal, NamedTuple

from journeys.agents.inspect.time_limit import TimeLimit
from journeys.agents.kafka.record_producer import EncodedRecord, RecordProducer
from journeys.agents.listen.known_ids import KnownIds, id_of
from journeys.agents.listen.request_body import Line
from journeys.agents.settings.operation_error import OperationError
from journeys.clock import now_ms
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import parse_unvalidated
from journeys.schemas.records import JourneyRecord

# So many lines are taken at once before others get their turn: a millisecond or two.
_LINES_AT_ONCE: Final = 100
_SLOW_SECONDS: Final = 10.0
# Commands are an operator's (`journeys abandon`, `extend`), and time belongs to workers. Without a kind: a touchpoint.
_KINDS: Final = (None, "", "touchpoint", "registration", "signal")


class Outcome(NamedTuple):
    """What became of a line: `accepted` and `duplicate` are in the log, the others are not."""

    line: int
    status: Literal["accepted", "duplicate", "refused", "left_out"]
    error: InvalidRecordError | None = None
    why: str = ""
    """Of a line that the mapping leaves out."""


class NotTakenError(OperationError):
    """Records were not acknowledged and nobody waits for them any more; they may or may not be in the log."""


class _Request:
    """The records of one request on their way into the log."""

    def __init__(self) -> None:
        self.records: list[tuple[EncodedRecord, bytes | None]] = []
        self.others: set[asyncio.Future[bool]] = set()
        """Of other requests with records of the same ids: whether all of theirs are in the log."""
        self.is_in_log: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.began_at = monotonic()


class Intake:
    """Takes lines of many requests at once. What it sends it never gives up: an id is on its way or in the log.

    `failed` ends, with the reason, when Kafka refuses records for good; nothing is taken from then on.
    """

    def __init__(self, producer: RecordProducer, known: KnownIds, limit: TimeLimit) -> None:
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._producer = producer
        self._known = known
        self._limit = limit
        self._on_the_way: dict[bytes, _Request] = {}
        self._requests: set[_Request] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def longest_wait(self) -> float:
        """Seconds for which the oldest records wait for their acknowledgement."""
        return max((monotonic() - request.began_at for request in self._requests), default=0.0)

    @property
    def is_slow(self) -> bool:
        """Whether Kafka has left records without an answer for so long that no more should be taken."""
        return self.longest_wait > _SLOW_SECONDS

    @property
    def is_waiting(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._requests)

    async def take(self, lines: Iterable[Line | Outcome]) -> list[Outcome]:
        """Send the records of lines that are valid; gives what became of each line, once all of them are in the log.

        An Outcome among the lines stands as it is. Raises NotTakenError.
        """
        request = _Request()
        self._requests.add(request)
        try:
            outcomes = []
            for count, line in enumerate(lines, start=1):
                outcomes.append(line if isinstance(line, Outcome) else self._outcome(line, request))
                if count % _LINES_AT_ONCE == 0:
                    await asyncio.sleep(0)
            await self._send(request)
        finally:
            self._end(request)
        if not all([await other for other in request.others]):
            raise NotTakenError("records were not acknowledged")
        return outcomes

    def _outcome(self, line: Line, request: _Request) -> Outcome:
        try:
            if line.error is not None:
                raise line.error
            if isinstance(line.value, dict) and line.value.get("kind") not in _KINDS:
                raise InvalidRecordError("kind", line.value["kind"], f"one of {', '.join(_KINDS[2:])}")
            record = parse_unvalidated(line.value)
            assert isinstance(record, JourneyRecord), "other kinds are not taken"
            encoded = self._producer.encode(record)
            self._limit.require(record, now_ms())
        except InvalidRecordError as error:
            return Outcome(line.number, "refused", error)
        key = id_of(record)
        if key is not None:
            if key in self._known:
                return Outcome(line.number, "duplicate")
            other = self._on_the_way.get(key)
            if other is not None:
                if other is not request:
                    request.others.add(other.is_in_log)
                return Outcome(line.number, "duplicate")
            self._on_the_way[key] = request
        request.records.append((encoded, key))
        return Outcome(line.number, "accepted")

    async def _send(self, request: _Request) -> None:
        batches = set()
        try:
            for encoded, _ in request.records:
                batches.add(await self._producer.append(encoded))
        except OperationError as error:
            self._fail(str(error))
            raise NotTakenError(str(error)) from error
        if not all([await batch for batch in batches]):
            self._fail("Kafka refused records for good")
            raise NotTakenError("Kafka refused records for good")
        request.is_in_log.set_result(True)

    def _end(self, request: _Request) -> None:
        self._requests.discard(request)
        is_in_log = request.is_in_log.done()
        for _, key in request.records:
            if key is not None:
                del self._on_the_way[key]
                if is_in_log:
                    self._known.add(key)
        if not is_in_log:
            request.is_in_log.set_result(False)

    def _fail(self, why: str) -> None:
        if not self.failed.done():
            self.failed.set_result(why)


def counts_of(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many lines became what."""
    return {
        name: sum(1 for outcome in outcomes if outcome.status == status)
        for name, status in (
            ("accepted", "accepted"),
            ("duplicates", "duplicate"),
            ("refused", "refused"),
            ("left_out", "left_out"),
        )
    }
