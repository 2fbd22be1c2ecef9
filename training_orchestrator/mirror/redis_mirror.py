"""Mirrors journeys to Redis, as a cache and a fan-out; no call of a manager waits for it. The keys: redis_keys.py.

Results never depend on Redis, be it away, slow, flushed or damaged: updates wait in a bounded buffer, a circuit breaker
limits the attempts, and what was missed is rebuilt from the rows and outputs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from random import uniform
from secrets import token_hex
from typing import Any, Final, NamedTuple, TypeVar

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError, WatchError

from journeys.schemas.codec import Codec
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.backend.journey_update import JourneyUpdate
from training_orchestrator.mirror.mirror_source import MirrorSource
from training_orchestrator.mirror.wanted_policy import handle_wanted_policy
from training_orchestrator.redis.redis_keys import (
    ABANDONMENTS,
    DEADLINES,
    MIRROR,
    POLICY,
    POSITION,
    STREAM_LENGTH,
    SUMMARY,
    SUMMARY_SECONDS,
    WANTED_POLICY,
)
from training_orchestrator.redis.redis_stream import StreamState
from training_orchestrator.redis.redis_url import require_redis_url
from training_orchestrator.runtime.task_end import end
from training_orchestrator.sources.published_outputs import PublishedRecord

log = logging.getLogger("journeys.redis")
_BUFFERED_JOURNEYS: Final = 50_000  # with more a rebuild is cheaper; bounds the memory
_PIPELINE: Final = 250  # commands; encoding them blocks the event loop
_ROUND_SECONDS: Final = 0.1
_TIMEOUT_SECONDS: Final = 1.0
_CONNECTIONS: Final = 4
_FAILURES: Final = 3
_FAULTS: Final = (RedisError, OSError, asyncio.TimeoutError)
Each = TypeVar("Each")


class _State(NamedTuple):
    """Values of the single keys in Redis; an error for a key of another type."""

    mirror: Any
    policy: Any
    wanted: Any
    position: Any
    has_stream: Any
    has_deadlines: Any


class RedisMirror:
    """Mirror of a MirrorSource. `breaker_seconds` is how long the circuit breaker stays open."""

    def __init__(self, url: str, source: MirrorSource, breaker_seconds: float = 5.0) -> None:
        require_redis_url(url)
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # the next round is the retry, with jitter, and the breaker counts it
        )
        self._redis: Any = Redis(connection_pool=pool)
        self._source = source
        self._codec = Codec()
        self._breakers = AsyncCircuitBreakerFactory(_FAILURES, breaker_seconds, [StoreUnavailableError])
        self._breaker_state = "closed"
        self._token: bytes | None = None
        self._waiting: dict[str, JourneyUpdate] = {}
        self._must_rebuild = True
        self._is_damaged = False
        self._had_deadlines = False
        self._following: asyncio.Task[None] | None = None
        self._rebuilds = 0
        self._openings = 0

    @property
    def breaker_state(self) -> str:
        """`closed`, `opened` or `half-opened`."""
        return self._breaker_state

    @property
    def openings(self) -> int:
        """How often the breaker has opened."""
        return self._openings

    @property
    def rebuilds(self) -> int:
        """How often Redis was filled completely."""
        return self._rebuilds

    def note(self, updates: list[JourneyUpdate]) -> None:
        """Take updates; of a journey the latest counts."""
        for update in updates:
            self._waiting[update.journey_id] = update
        if len(self._waiting) > _BUFFERED_JOURNEYS:
            self._waiting.clear()
            self._must_rebuild = True

    def require_rebuild(self) -> None:
        """Fill Redis completely in the next round: updates may have been missed."""
        self._must_rebuild = True

    def start(self) -> None:
        """Start mirroring."""
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop mirroring; Redis keeps its content."""
        await end(self._following)
        try:
            await self._redis.aclose()
        except _FAULTS as error:
            log.debug("closing: %r", error)

    async def _follow(self) -> None:
        while True:
            try:
                await self._guarded_round()
            except (ResponseError, ValueError) as error:
                # A key was changed or deleted by somebody else: all keys are written again.
                log.warning("Redis: a key was changed or deleted by another client: %s", error)
                self._must_rebuild = self._is_damaged = True
            except OpenedState:
                pass  # the breaker is open
            except _FAULTS as error:
                log.warning("Redis is not written for now: %s", error or type(error).__name__)
                # It may have lost anything; one that was frozen may apply old writes after newer ones.
                self._must_rebuild = True
            except StoreUnavailableError as error:
                log.warning("the store can't be read for Redis: %s", error)
            await asyncio.sleep(_ROUND_SECONDS * uniform(0.5, 1.5))  # noqa: S311  (spreads retries, keeps no secret)

    async def _guarded_round(self) -> None:
        breaker = await self._breakers.get_breaker("redis")
        try:
            async with breaker:
                await self._round()
        finally:
            state = breaker.context.state
            if state == "opened" != self._breaker_state:
                self._openings += 1
            self._breaker_state = state

    async def _round(self) -> None:
        if self._token is None:
            self._token = blake2b((await self._source.identity()).encode(), digest_size=8).hexdigest().encode()
        state = await self._read_state()
        if self._must_rebuild or state.mirror != self._token:
            await self._rebuild(is_ours=not self._is_damaged and state.mirror == self._token)
        await self._write_policy(state)
        await self._write_updates()
        await self._write_outputs()
        self._had_deadlines = bool(await self._redis.exists(DEADLINES))

    async def _read_state(self) -> _State:
        """Raises ResponseError, ValueError for a key that another client changed or deleted."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in (MIRROR, POLICY, WANTED_POLICY):
                pipeline.get(key)
            pipeline.hgetall(POSITION)
            pipeline.exists(ABANDONMENTS)
            pipeline.exists(DEADLINES)
            state = _State(*await pipeline.execute(raise_on_error=False))
        if not self._is_damaged and state.mirror == self._token:
            if isinstance(state.position, ResponseError):
                raise state.position
            if StreamState.of_hash(state.position).has_entries and not state.has_stream:
                raise ValueError(f"{ABANDONMENTS} is gone")
            if self._had_deadlines and not state.has_deadlines:
                raise ValueError(f"{DEADLINES} is gone")
        return state

    async def _rebuild(self, *, is_ours: bool) -> None:
        # Updates that arrive during the rebuild are written after it.
        self._waiting.clear()
        self._must_rebuild = False
        # The stream is kept where it is ours, because of its consumer groups: it goes on at its position.
        await self._redis.delete(DEADLINES, *(() if is_ours else (MIRROR, ABANDONMENTS, POSITION)))
        async for updates in self._source.updates():
            for some in _chunks(updates, _PIPELINE):
                await self._write(some)
        assert self._token is not None
        await self._redis.set(MIRROR, self._token)
        self._is_damaged = False
        self._rebuilds += 1

    async def _write_policy(self, state: _State) -> None:
        if state.wanted is not None:
            await handle_wanted_policy(state.wanted, self._source, self._redis)
        in_force = (await self._source.policies()).in_force.to_json()
        if state.policy != in_force.encode():
            await self._redis.set(POLICY, in_force)

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
                is_deleted = each.deadline_at is None and each.outcome is None
                if is_deleted or self._is_damaged:  # the key may be of another type
                    pipeline.delete(key)
                if not is_deleted:
                    pipeline.hset(key, mapping=_summary(each))
                    pipeline.expire(key, SUMMARY_SECONDS)
            await pipeline.execute()

    async def _write_outputs(self) -> None:
        state = StreamState.of_hash(await self._redis.hgetall(POSITION))
        while batch := await self._source.outputs(state.next):
            for some in _chunks(batch, _PIPELINE):
                if not await self._append(some, state):
                    return  # another mirror of the same journeys was faster; the next round goes on after it

    async def _append(self, some: Sequence[PublishedRecord], state: StreamState) -> bool:
        """Append entries and move the position in one transaction; False if another mirror has moved it."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            await pipeline.watch(POSITION)
            if StreamState.of_hash(await pipeline.hgetall(POSITION)) != state:
                return False
            state.stream = state.stream or token_hex(8)
            pipeline.multi()
            for each in some:
                entry = state.entry(each, self._codec)
                if entry is not None:
                    pipeline.xadd(ABANDONMENTS, entry, maxlen=STREAM_LENGTH, approximate=True)
            pipeline.hset(POSITION, mapping=state.to_hash())
            try:
                await pipeline.execute()
            except WatchError:
                return False
        return True


def _summary(each: JourneyUpdate) -> dict[str, str | int]:
    return {
        "state": each.state,
        "touchpoints": each.touchpoint_count,
        "cost_micros": each.total_cost_micros,
        "deadline_at": "" if each.deadline_at is None else each.deadline_at,
        "outcome": each.outcome or "",
    }


def _chunks(items: Sequence[Each], size: int) -> Iterator[Sequence[Each]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
