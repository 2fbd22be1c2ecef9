"""Feed source of the stream in Redis, which holds the latest outputs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from journeys.schemas.codec import Codec
from journeys.schemas.invalid import InvalidRecordError
from training_orchestrator.api.answers import StoreUnavailableError
from training_orchestrator.redis.redis_keys import ABANDONMENTS, POSITION
from training_orchestrator.redis.redis_stream import STREAM, StreamEntry, StreamState
from training_orchestrator.redis.redis_url import require_redis_url
from training_orchestrator.sources.file_sources import decoded
from training_orchestrator.sources.published_outputs import Place, PublishedRecord

log = logging.getLogger("journeys.redis")
_BATCH_RECORDS: Final = 2_000
_POLL_SECONDS: Final = 0.2
_TIMEOUT_SECONDS: Final = 5.0
_RETRIES: Final = 3
_BEGINNING: Final = "-"
Raw: TypeAlias = list[tuple[bytes, dict[bytes, bytes]]]


class RedisSource:
    """Reads `journeys:abandonments`. Positions are those of the outputs in Kafka or in the store.

    An output that the stream has trimmed or lost is never skipped: StoreUnavailableError is raised, and the same
    checkpoint is valid for Kafka or the store.
    """

    name = "redis"
    continues = frozenset({"redis", "kafka", "store"})

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError."""
        require_redis_url(url)
        self._retry = Retry(ExponentialWithJitterBackoff(cap=1.0, base=0.1), _RETRIES)
        self._url = url
        self._codec = Codec()

    async def records(self, positions: Mapping[Place, int], *, follow: bool) -> AsyncIterator[list[PublishedRecord]]:
        """In the order of the stream, each offset of a place once. Raises StoreUnavailableError."""
        reached = dict(positions)
        stream: bytes | None = None
        begin = _BEGINNING
        async with self._connected() as redis:
            while True:
                present_stream, raw = await _read(redis, begin)
                if present_stream != stream and begin != _BEGINNING:
                    stream, begin = present_stream, _BEGINNING  # a new stream, whose ids are unrelated to the old ones
                    continue
                stream = present_stream
                if raw:
                    begin = f"({raw[-1][0].decode()}"
                    taken, missing = self._taken(raw, reached)
                    yield taken
                    if missing is not None:
                        raise missing
                elif not follow:
                    return
                else:
                    yield []
                    await asyncio.sleep(_POLL_SECONDS)

    async def end_positions(self) -> dict[Place, int]:
        """Behind the last entry of each place."""
        async with self._connected() as redis:
            try:
                return StreamState.of_hash(await redis.hgetall(POSITION)).next
            except ValueError as error:
                raise StoreUnavailableError(f"Redis: {POSITION} was not written by a mirror: {error}") from error

    async def topic_ids(self) -> dict[str, str]:
        """None: the stream does not hold them."""
        return {}

    async def positions_since(self, at: int) -> dict[Place, int]:  # noqa: ARG002  (a stream has no index of times)
        """The beginning."""
        return {}

    def _taken(self, raw: Raw, reached: dict[Place, int]) -> tuple[list[PublishedRecord], StoreUnavailableError | None]:
        """Next outputs of each place, and the error if one is missing after them."""
        taken: list[PublishedRecord] = []
        for entry_id, entry, published in self._readable(raw):
            if entry is None or published is None:
                # If a mirror wrote it, the next entry of its place shows that it is missing.
                log.warning("Redis: entry %s of %s can't be read and is skipped", entry_id.decode(), ABANDONMENTS)
                continue
            known = reached.get(entry.place, 0)
            if entry.offset < known:
                continue
            if known < entry.after:
                return taken, StoreUnavailableError(
                    f"Redis: {ABANDONMENTS} lacks outputs of {':'.join(map(str, entry.place))} between {known} and "
                    f"{entry.after}, which are trimmed or lost: go on with the same checkpoint from Kafka "
                    "(from_kafka) or the store (from_store), or begin with start='latest'"
                )
            reached[entry.place] = entry.offset + 1
            taken.append(published)
        return taken, None

    def _readable(self, raw: Raw) -> list[tuple[bytes, StreamEntry | None, PublishedRecord | None]]:
        entries = [(entry_id, StreamEntry.of_fields(fields)) for entry_id, fields in raw]
        published = self._decoded([entry for _, entry in entries if entry is not None])
        each = iter(published)
        return [(entry_id, entry, None if entry is None else next(each)) for entry_id, entry in entries]

    def _decoded(self, entries: Sequence[StreamEntry]) -> Sequence[PublishedRecord | None]:
        """Decode entries; None in place of one that can't be read."""
        stored = [(entry.place, entry.offset, entry.topic, entry.value) for entry in entries]
        try:
            return list(decoded(self._codec, stored))
        except (InvalidRecordError, TypeError):  # TypeError: a record of another kind
            if len(entries) == 1:
                return [None]
            return [record for entry in entries for record in self._decoded([entry])]

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        redis: Any = Redis.from_url(
            self._url,
            retry=self._retry,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
        )
        try:
            yield redis
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(f"Redis: {error}") from error
        finally:
            await redis.aclose()


async def _read(redis: Any, begin: str) -> tuple[bytes | None, Raw]:
    """Id of the stream, and its entries from an id on, read in one transaction."""
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.hget(POSITION, STREAM)
        pipeline.xrange(ABANDONMENTS, min=begin, count=_BATCH_RECORDS)
        stream, raw = await pipeline.execute()
    return stream, raw
