"""AbandonmentFeed: abandonments as rewards, each once, for async trainers and for blocking ones.

    with AbandonmentFeed.from_store("journeys.sqlite3", start=checkpoint or "earliest") as feed:
        for batch in feed.batches(max_records=256, max_wait=1.0):
            learn(batch)
            save(model, feed.checkpoint())

`async with` and `async for` do the same without blocking.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, Unpack

from journeys.clock import now_ms
from training_orchestrator.api.answers import NotStartedError
from training_orchestrator.api.configuration import DEFAULT_STORE, ConfigurationError, user_path
from training_orchestrator.api.extras import needs
from training_orchestrator.api.local_time import instant_of, wanted_instant
from training_orchestrator.feed.feed_checkpoint import BadCheckpointError, FeedCheckpoint
from training_orchestrator.feed.feed_items import FeedItem, RewardRule
from training_orchestrator.feed.feed_options import FeedOptions, Start
from training_orchestrator.feed.feed_progress import CorrectionRule, FeedProgress, require_sums
from training_orchestrator.feed.source_reader import SourceReader
from training_orchestrator.runtime.loop_thread import LoopThread

if TYPE_CHECKING:
    from training_orchestrator.sources.published_outputs import FeedSource

_BATCH_RECORDS: Final = 256
_BATCH_SECONDS: Final = 1.0


class AbandonmentFeed:
    """Reader of abandonments and their corrections: made by `from_store`, `from_kafka`, `from_redis` or `from_files`.

    `start`: `earliest`, `latest`, an instant (what was detected then or later), or the bytes of a checkpoint.
    `as_of`: only what was known at that instant. `follow`: whether to wait for more at the end; by default a feed does,
    unless it has an `as_of` or reads files. `rewards`: net by default, or penalties. `conversions`: whether conversions
    are items of a feed of penalties, too; of a feed of net rewards they always are.
    Items come in the order of publication, partition by partition.
    """

    def __init__(
        self,
        source: FeedSource,
        *,
        start: Start | None = "earliest",
        as_of: datetime | None = None,
        follow: bool | None = None,
        rewards: RewardRule | None = None,
        corrections: CorrectionRule | None = None,
        conversions: bool | None = None,
    ) -> None:
        """Raises ConfigurationError, BadCheckpointError."""
        start = "earliest" if start is None else start
        if not isinstance(start, bytes | datetime) and start not in ("earliest", "latest"):
            raise ConfigurationError(f"start: {start!r} is not earliest, latest, a datetime or a checkpoint's bytes")
        self._source = source
        self._start = start
        self._as_of = wanted_instant(as_of, "as_of")
        self._follow = self._as_of is None if follow is None else follow
        self._rewards = rewards or RewardRule()
        self._corrections = corrections or CorrectionRule()
        require_sums(self._rewards, self._corrections)
        if conversions is False and self._rewards.price == "net":
            raise ConfigurationError(
                'conversions: False goes with rewards=RewardRule(price="penalty"); net rewards without the conversions '
                "would be costs alone"
            )
        self._gives_conversions = bool(conversions) or self._rewards.price == "net"
        self._progress: FeedProgress | None = None
        self._reader: SourceReader | None = None
        self._loop_thread: LoopThread | None = None

    @classmethod
    def from_settings(cls, **more: Unpack[FeedOptions]) -> Self:
        """Feed of what a manager without arguments writes to: the settings' Kafka if they name one, else its file."""
        from training_orchestrator.sources.given_settings import given_settings  # noqa: PLC0415  (each source's imports)

        return cls.from_store(**more) if given_settings().bootstrap_servers is None else cls.from_kafka(**more)

    @classmethod
    def from_store(cls, path: Path | str = DEFAULT_STORE, **more: Unpack[FeedOptions]) -> Self:
        """Feed of an embedded manager's file; the manager may be running, in this process or another."""
        from training_orchestrator.sources.file_sources import StoreSource  # noqa: PLC0415  (as above)

        return cls(StoreSource(user_path(path, "path")), **more)

    @classmethod
    def from_files(
        cls, abandonments: Path | str, lifecycle: Path | str | None = None, **more: Unpack[FeedOptions]
    ) -> Self:
        """Feed of the files that `journeys replay` wrote.

        Without the lifecycle file there are no corrections, and no net rewards.

        Raises ConfigurationError.
        """
        from training_orchestrator.sources.file_sources import ReplayFileSource  # noqa: PLC0415  (as above)

        if lifecycle is None and (more.get("rewards") or RewardRule()).price == "net":
            raise ConfigurationError(
                'lifecycle: None goes with rewards=RewardRule(price="penalty"); conversions are in that file'
            )
        source = ReplayFileSource(
            user_path(abandonments, "abandonments"), None if lifecycle is None else user_path(lifecycle, "lifecycle")
        )
        more.setdefault("follow", False)
        return cls(source, **more)

    @classmethod
    def from_kafka(cls, bootstrap_servers: str | None = None, **more: Unpack[FeedOptions]) -> Self:
        """Feed of the output topics; without servers those of the settings (JOURNEYS_BOOTSTRAP_SERVERS)."""
        from training_orchestrator.sources.given_settings import given_settings  # noqa: PLC0415  (as above)

        with needs("trainer", "a feed from Kafka"):
            from training_orchestrator.sources.topic_source import TopicSource  # noqa: PLC0415  (as above)

        return cls(TopicSource(given_settings(bootstrap_servers)), **more)

    @classmethod
    def from_redis(cls, url: str, **more: Unpack[FeedOptions]) -> Self:
        """Feed of the stream that a manager keeps in Redis: the latest outputs; a missing one is an error.

        Its checkpoints are valid for `from_kafka` or `from_store`, and theirs here.
        """
        with needs("redis", "a feed from Redis"):
            from training_orchestrator.redis.redis_source import RedisSource  # noqa: PLC0415  (as above)

        return cls(RedisSource(url), **more)

    def checkpoint(self) -> bytes:
        """Position behind all items taken so far: store it with the model that has learned from them."""
        return self._opened().checkpoint.to_bytes()

    @property
    def held_corrections(self) -> int:
        """Corrections whose abandonment was not taken yet; one from before the start never is."""
        return len(self._opened().checkpoint.held)

    async def take(self, max_records: int = _BATCH_RECORDS, max_wait: float = _BATCH_SECONDS) -> list[FeedItem]:
        """Take up to `max_records` items; fewer after `max_wait` seconds or at the end.

        Raises StoreUnavailableError; to continue after that, make a new feed from the checkpoint.
        """
        progress = self._opened()
        assert self._reader is not None
        items: list[FeedItem] = []
        deadline = time.monotonic() + max_wait
        while len(items) < max_records:
            item = progress.due()
            if item is None:
                record = await self._reader.next_record(deadline)
                if record is None:
                    break
                item = progress.take(record)
            if item is not None:
                items.append(item)
        return items

    @property
    def _has_ended(self) -> bool:
        """Whether the source has ended: no more items come."""
        return self._reader is not None and self._reader.has_ended

    async def _open(self) -> None:
        if self._progress is not None:
            return
        known_at = now_ms() if self._as_of is None else self._as_of
        self._progress = FeedProgress(
            await self._first_checkpoint(),
            self._rewards,
            self._corrections,
            known_at,
            gives_conversions=self._gives_conversions,
        )
        positions = dict(self._progress.checkpoint.positions)
        self._reader = SourceReader(self._source, positions, follow=self._follow)

    async def _first_checkpoint(self) -> FeedCheckpoint:
        name, start = self._source.name, self._start
        topic_ids = await self._source.topic_ids()
        if isinstance(start, bytes):
            stored = FeedCheckpoint.from_bytes(start)
            if stored.source not in self._source.continues:
                raise BadCheckpointError(f"this checkpoint is of a feed from {stored.source}, not from {name}")
            if stored.as_of != self._as_of:
                raise BadCheckpointError(
                    "this checkpoint is of a feed with another as_of, which has left out other items"
                )
            if stored.price != self._rewards.price:
                raise BadCheckpointError(
                    f"this checkpoint is of a feed with price={stored.price!r}, not {self._rewards.price!r}: continued "
                    "under another price, rewards would not sum to anything"
                )
            for topic, topic_id in topic_ids.items():
                _require_same_topic(topic, topic_id, stored)
            stored.source = name
            stored.topic_ids |= topic_ids
            return stored
        checkpoint = FeedCheckpoint(name, self._as_of, price=self._rewards.price, topic_ids=topic_ids)
        if start == "latest":
            checkpoint.positions = await self._source.end_positions()
        elif isinstance(start, datetime):
            checkpoint.since = instant_of(start)
            checkpoint.positions = await self._source.positions_since(checkpoint.since)
        return checkpoint

    async def _close(self) -> None:
        if self._reader is not None:
            await self._reader.close()

    def _opened(self) -> FeedProgress:
        if self._progress is None:
            raise NotStartedError("open the feed first: `with feed:` or `async with feed:`")
        return self._progress

    async def __aenter__(self) -> Self:
        """Start reading. Raises StoreUnavailableError, BadCheckpointError."""
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading; `checkpoint()` still works."""
        await self._close()

    def __enter__(self) -> Self:
        """Start reading, on a thread of its own. Raises as `__aenter__`."""
        self._loop_thread = LoopThread()
        try:
            self._loop_thread.run(self._open())
        except BaseException:
            self._loop_thread.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading; `checkpoint()` still works."""
        assert self._loop_thread is not None
        self._loop_thread.run(self._close())
        self._loop_thread.close()

    def take_blocking(self, max_records: int = _BATCH_RECORDS, max_wait: float = _BATCH_SECONDS) -> list[FeedItem]:
        """`take` for blocking callers."""
        if self._loop_thread is None:
            raise NotStartedError("open the feed first, with `with feed:`")
        return self._loop_thread.run(self.take(max_records, max_wait))

    def batches(self, max_records: int = _BATCH_RECORDS, max_wait: float = _BATCH_SECONDS) -> Batches:
        """Non-empty batches, for `for` and `async for`; the loop ends with the feed."""
        return Batches(self, max_records, max_wait)

    def __aiter__(self) -> AsyncIterator[FeedItem]:
        return self._items()

    async def _items(self) -> AsyncIterator[FeedItem]:
        while batch := await self.batches(1).next_async():
            yield batch[0]

    def __iter__(self) -> Iterator[FeedItem]:
        while batch := self.batches(1).next_blocking():
            yield batch[0]


def _require_same_topic(topic: str, topic_id: str, stored: FeedCheckpoint) -> None:
    was = stored.topic_ids.get(topic, topic_id)
    if was != topic_id:
        raise BadCheckpointError(
            f"{topic} is another topic than the one that this checkpoint was made with (its id is {topic_id}, the "
            f"checkpoint has {was}): it was deleted and created again, or this is another cluster or prefix, and the "
            "checkpoint's offsets mean nothing in it. Begin with start= the instant up to which the model has learned, "
            'or train it anew with start="earliest"'
        )


class Batches:
    """Iterates over a feed's batches, blocking or not. A checkpoint taken in the loop's body covers its batch."""

    def __init__(self, feed: AbandonmentFeed, max_records: int, max_wait: float) -> None:
        if max_records < 1:
            raise ConfigurationError(f"max_records: {max_records!r} is not a whole number above zero")
        if not max_wait > 0:
            raise ConfigurationError(f"max_wait: {max_wait!r} is not a number of seconds above zero")
        self._feed = feed
        self._limits = max_records, max_wait

    async def next_async(self) -> list[FeedItem]:
        """Next batch; empty at the end."""
        while not (batch := await self._feed.take(*self._limits)):
            if self._feed._has_ended:
                break
        return batch

    def next_blocking(self) -> list[FeedItem]:
        """`next_async` for blocking callers."""
        while not (batch := self._feed.take_blocking(*self._limits)):
            if self._feed._has_ended:
                break
        return batch

    async def __aiter__(self) -> AsyncIterator[list[FeedItem]]:
        while batch := await self.next_async():
            yield batch

    def __iter__(self) -> Iterator[list[FeedItem]]:
        while batch := self.next_blocking():
            yield batch
