"""Redis as a cache and a fan-out of an embedded manager's journeys: never the truth, and never waited for.

    journeys:deadlines      sorted set   journey_id by deadline (ms) of every open journey
    journeys:summary:{id}   hash         state, touchpoints, cost_micros, deadline_at, outcome; TTL a day
    journeys:abandonments   stream       abandonments and returns as they were stored, at most about 100,000
    journeys:policy         string       JSON of the policy in force
    journeys:position       string       the store's position behind the stream's last entry
    journeys:mirror         string       which store has filled the rest; another one's, or none, is filled anew

Away, slow, flushed or spoilt, it changes no result: changes wait in a bounded buffer, a circuit breaker spares the
calls, and what has been missed is rebuilt from the rows and the store's outputs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from random import uniform
from typing import Any, Final, TypeVar

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError

from schemas.codec import Codec
from schemas.records import JourneyAbandoned
from training_orchestrator.answers import StoreUnavailableError
from training_orchestrator.feed_files import StoreSource
from training_orchestrator.feed_records import PublishedRecord
from training_orchestrator.journey_update import JourneyUpdate

log = logging.getLogger("journeys.redis")
DEADLINES: Final = "journeys:deadlines"
SUMMARY: Final = "journeys:summary:"
ABANDONMENTS: Final = "journeys:abandonments"
POLICY: Final = "journeys:policy"
POSITION: Final = "journeys:position"
MIRROR: Final = "journeys:mirror"
STREAM_LENGTH: Final = 100_000
_SUMMARY_SECONDS: Final = 86_400
_BUFFERED_JOURNEYS: Final = 50_000  # beyond them a rebuild is cheaper, and memory stays bounded
_PIPELINE: Final = 250  # commands; packing them is what the event loop sees of Redis
_CANCELLED_AGAIN_SECONDS: Final = 0.2
_ROUND_SECONDS: Final = 0.1
_TIMEOUT_SECONDS: Final = 1.0
_CONNECTIONS: Final = 4
_FAILURES: Final = 3
_STORE: Final = ("store", 0)
_FAULTS: Final = (RedisError, OSError, asyncio.TimeoutError)
Each = TypeVar("Each")


class RedisMirror:
    """A Mirror. `rows` yields all journeys of this moment in portions; `breaker_seconds` is how long it stays open."""

    def __init__(
        self,
        url: str,
        source: StoreSource,
        rows: Callable[[], AsyncIterator[list[JourneyUpdate]]],
        policy: str,
        breaker_seconds: float = 5.0,
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
        )
        self._redis: Any = Redis(connection_pool=pool)
        self._source = source
        self._rows = rows
        self._policy = policy
        self._codec = Codec()
        self._breakers = AsyncCircuitBreakerFactory(_FAILURES, breaker_seconds)
        self._breaker_state = "closed"
        self._token = blake2b(source.place.encode(), digest_size=8).hexdigest().encode()
        self._waiting: dict[str, JourneyUpdate] = {}
        self._must_rebuild = True
        self._is_spoilt = False
        self._following: asyncio.Task[None] | None = None
        self.rebuilds = 0
        """How often all of it was filled."""
        self.openings = 0
        """How often the breaker has opened."""

    @property
    def breaker_state(self) -> str:
        """`closed`, `opened` or `half-opened`."""
        return self._breaker_state

    def note(self, updates: list[JourneyUpdate]) -> None:
        """Take what has changed; of a journey the latest counts."""
        for update in updates:
            self._waiting[update.journey_id] = update
        if len(self._waiting) > _BUFFERED_JOURNEYS:
            self._waiting.clear()
            self._must_rebuild = True

    def start(self) -> None:
        """Begin to follow."""
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follow no more; what Redis holds stays."""
        if self._following is not None:
            # A cancellation that meets a timeout of the client's may be lost in it: the next one is not.
            while not self._following.done():
                self._following.cancel()
                await asyncio.wait([self._following], timeout=_CANCELLED_AGAIN_SECONDS)
        try:
            await self._redis.aclose()
        except _FAULTS as error:
            log.debug("closing: %r", error)

    async def _follow(self) -> None:
        while True:
            try:
                await self._guarded_round()
            except (ResponseError, ValueError) as error:
                # Answered, and not as our own keys answer: all of them are made anew.
                log.warning("Redis holds what is none of ours: %r", error)
                self._must_rebuild = self._is_spoilt = True
            except OpenedState:
                pass  # the breaker is open: nobody is asked
            except _FAULTS as error:
                log.warning("Redis is passed over for now: %r", error)
                # It may have lost anything; one that was frozen may yet take old words behind newer ones.
                self._must_rebuild = True
            except StoreUnavailableError as error:
                log.warning("the store can't be read for Redis: %s", error)
            await asyncio.sleep(_ROUND_SECONDS * uniform(0.5, 1.5))  # noqa: S311  (spreads retries, keeps no secret)

    async def _guarded_round(self) -> None:
        breaker = await self._breakers.get_breaker("redis")
        try:
            async with breaker:
                if self._must_rebuild or await self._redis.get(MIRROR) != self._token:
                    await self._rebuild()
                await self._write_updates()
                await self._write_outputs()
        finally:
            state = breaker.context.state
            if state == "opened" != self._breaker_state:
                self.openings += 1
            self._breaker_state = state

    async def _rebuild(self) -> None:
        # What comes in meanwhile waits, and is written behind the snapshot.
        self._waiting.clear()
        self._must_rebuild = False
        # The stream is kept where it is ours, for the sake of its consumer groups: it goes on at its position.
        is_ours = not self._is_spoilt and await self._redis.get(MIRROR) == self._token
        await self._redis.delete(DEADLINES, *(() if is_ours else (MIRROR, ABANDONMENTS, POSITION)))
        async for updates in self._rows():
            for some in _portions(updates, _PIPELINE):
                await self._write(some)
        await self._redis.set(POLICY, self._policy)
        await self._redis.set(MIRROR, self._token)
        self._is_spoilt = False
        self.rebuilds += 1

    async def _write_updates(self) -> None:
        while self._waiting:
            some = [self._waiting[name] for name in islice(self._waiting, _PIPELINE)]
            await self._write(some)
            for update in some:
                if self._waiting.get(update.journey_id) is update:
                    del self._waiting[update.journey_id]

    async def _write(self, updates: Sequence[JourneyUpdate]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            opened = {each.journey_id: each.deadline_at for each in updates if each.deadline_at is not None}
            closed = [each.journey_id for each in updates if each.deadline_at is None]
            if opened:
                pipeline.zadd(DEADLINES, opened)
            if closed:
                pipeline.zrem(DEADLINES, *closed)
            for each in updates:
                key = SUMMARY + each.journey_id
                if each.deadline_at is None and each.outcome is None:
                    pipeline.delete(key)
                    continue
                pipeline.hset(
                    key,
                    mapping={
                        "state": each.state,
                        "touchpoints": each.touchpoint_count,
                        "cost_micros": each.total_cost_micros,
                        "deadline_at": "" if each.deadline_at is None else each.deadline_at,
                        "outcome": each.outcome or "",
                    },
                )
                pipeline.expire(key, _SUMMARY_SECONDS)
            await pipeline.execute()

    async def _write_outputs(self) -> None:
        """Entries and the position behind them go in one transaction, so that none comes twice."""
        position = int(await self._redis.get(POSITION) or 0)
        async for batch in self._source.records({_STORE: position}, follow=False):
            for some in _portions(batch, _PIPELINE):
                async with self._redis.pipeline(transaction=True) as pipeline:
                    for each in some:
                        pipeline.xadd(ABANDONMENTS, self._entry(each), maxlen=STREAM_LENGTH, approximate=True)
                    pipeline.set(POSITION, some[-1].offset + 1)
                    await pipeline.execute()

    def _entry(self, each: PublishedRecord) -> dict[str, Any]:
        kind = "abandoned" if isinstance(each.record, JourneyAbandoned) else each.record.kind
        return {"kind": kind, "journey_id": each.record.journey_id, "value": self._codec.encode(each.record)}


def _portions(items: Sequence[Each], size: int) -> Iterator[Sequence[Each]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
