"""The load: journeys of the load generator on live time, at a steady rate, whatever happens to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from random import Random
from threading import Event
from time import monotonic
from typing import Any, Final

from journeys.agents.demo.load_generator import BEGIN_AT_MS, generate
from journeys.agents.kafka.connection import KafkaRequestError, KafkaUnreachableError
from journeys.agents.kafka.record_producer import RecordProducer, RecordsNotSentError
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.instants import DAY_MS
from journeys.schemas.lines import parse_line
from journeys.schemas.records import (
    JourneyCommand,
    JourneyRecord,
    JourneyRegistered,
    JourneySignal,
    PolicyChanged,
    Touchpoint,
)
from journeys.streams.rule.policy import Policy, policy_from_toml

_TOUCHPOINTS_PER_JOURNEY: Final = 10
_INACTIVITY_DAYS: Final = 3
_EVERY_OTHER_KIND: Final = 60
_TICK_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 0.3
_BROKER_AWAY: Final = (RecordsNotSentError, KafkaUnreachableError, KafkaRequestError)


def short_policy(inactivity_seconds: float) -> Policy:
    """Policy with the proportions of the default, in which three days last `inactivity_seconds`."""
    days = inactivity_seconds / 86_400 / _INACTIVITY_DAYS
    return policy_from_toml(
        f'version = "chaos"\n'
        f"[deadlines]\ntimeout_days = {14 * days:.12f}\ninactivity_hours = {72 * days:.12f}\n"
        f"max_journey_duration_days = {90 * days:.12f}\ngrace_seconds = 1\n"
        f"[cleanup]\nstale_data_days = {30 * days:.12f}\n"
    )


class Load:
    """Writes `rate` touchpoints a second, and now and then a registration, a signal or a command.

    A broker that is away costs no pace: what should have been written meanwhile is written when it is back.
    `touchpoints` counts those that were handed to the producer.
    """

    def __init__(
        self,
        settings: Settings,
        seed: int,
        rate: float,
        inactivity_seconds: float,
        seconds: float,
        ahead: int = 0,
        producer: Callable[[Settings], Any] = RecordProducer,
    ) -> None:
        """`seconds` is the longest that it may last; `ahead` touchpoints are written as fast as that goes."""
        self.touchpoints = 0
        self.failures = 0
        """How often the producer gave up and was made anew; what it held was or was not written."""
        self._settings = settings
        self._producer = producer
        self._seed = seed
        self._rate = rate
        self._ahead = ahead
        self._policy = short_policy(inactivity_seconds)
        # Real milliseconds for one of the generator's.
        self._scale = inactivity_seconds * 1000 / (_INACTIVITY_DAYS * DAY_MS)
        journeys = int((rate * seconds + ahead) / _TOUCHPOINTS_PER_JOURNEY)
        span_days = max(1, round((seconds + ahead / rate) * 1000 / self._scale / DAY_MS))
        self._lines = generate(journeys, seed, span_days=span_days, touchpoints_per_journey=_TOUCHPOINTS_PER_JOURNEY)
        self._began_at_ms = 0
        self._ended = Event()

    async def put_policy_in_force(self) -> None:
        """Append the policy to every partition; to be done before the first journey begins."""
        async with RecordProducer(self._settings) as producer:
            await producer.send_to_all(PolicyChanged(self._policy.version, self._policy.to_json(), now_ms(), "chaos"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write, in a thread of its own: one that catches up must not keep its caller's loop from its work."""
        writing = asyncio.create_task(asyncio.to_thread(asyncio.run, self._write()))
        try:
            yield
        finally:
            self._ended.set()
            await writing

    async def _write(self) -> None:
        self._began_at_ms = now_ms()
        records = self._records()
        began = monotonic()
        while not self._ended.is_set():
            try:
                async with self._producer(self._settings) as producer:
                    while not self._ended.is_set():
                        while self._is_behind(monotonic() - began) and not self._ended.is_set():
                            record = next(records)
                            self.touchpoints += isinstance(record, Touchpoint)
                            await producer.send(record)
                        await asyncio.sleep(_TICK_SECONDS)
            except _BROKER_AWAY:
                self.failures += 1
                await asyncio.sleep(_RETRY_SECONDS)

    def _is_behind(self, seconds: float) -> bool:
        return self.touchpoints < self._ahead + seconds * self._rate

    def _records(self) -> Iterator[JourneyRecord]:
        """Touchpoints in order of arrival, each due at its place in the count, and other records between them."""
        random = Random(self._seed)
        arrived = BEGIN_AT_MS
        for number, line in enumerate(self._lines):
            due = self._began_at_ms + int(number * 1000 / self._rate)
            arrived = max(arrived, line["occurred_at"])
            line["occurred_at"] = due - int((arrived - line["occurred_at"]) * self._scale)
            record = parse_line(line)
            assert isinstance(record, Touchpoint)
            yield record
            if number % _EVERY_OTHER_KIND == 0:
                yield self._other(random, record.journey_id, due, number)

    def _other(self, random: Random, journey_id: str, due: int, number: int) -> JourneyRecord:
        some_ms = max(1, int(random.uniform(1, 20) * DAY_MS * self._scale))
        makers: tuple[Any, ...] = (
            lambda: JourneyRegistered(journey_id, None, due, timeout_ms=some_ms),
            lambda: JourneySignal(journey_id, due, "competitor_conversion"),
            lambda: JourneyCommand(journey_id, due, "extend", extend_by_ms=some_ms, command_id=f"extend-{number}"),
            lambda: JourneyCommand(
                journey_id, due, "abandon", reason="MANUAL_TERMINATION", command_id=f"abandon-{number}"
            ),
        )
        made: JourneyRecord = random.choice(makers)()
        return made
