"""One open store for all managers of a process: opened by the first, closed by the last, on a loop of its own.

So managers of several event loops and threads use one file at once, and one that was never stopped, as after a run that
raised, keeps nobody out. A forked child has none of it: neither the lock nor the threads.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final, NamedTuple, TypeVar

from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle, JourneyRecord
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row
from training_orchestrator.api.answers import NotStartedError
from training_orchestrator.api.configuration import ConfigurationError
from training_orchestrator.api.figures import Figures
from training_orchestrator.embedded.checked_clock import CheckedClock
from training_orchestrator.embedded.embedded_journeys import EmbeddedJourneys
from training_orchestrator.runtime.loop_thread import LoopThread

Result = TypeVar("Result")


class Wanted(NamedTuple):
    """What a manager wants of a store."""

    path: Path
    policy: Policy | None
    now: CheckedClock
    redis_url: str | None
    make: Callable[[], EmbeddedJourneys]
    """Makes the journeys of the first manager."""


class _OpenStore:
    """A store that is open in this process, and its users."""

    def __init__(self, redis_url: str | None, journeys: EmbeddedJourneys) -> None:
        self.redis_url = redis_url
        self.journeys = journeys
        self.loop = LoopThread()
        self.users: set[int] = set()


class _OpenStores:
    """The open stores of this process, by file."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_path: dict[Path, _OpenStore] = {}
        self._left_behind: list[_OpenStore] = []

    def join(self, user: int, wanted: Wanted) -> tuple[_OpenStore, deque[JourneyAbandoned]]:
        """Open the store, or share the open one. Blocks. Raises as EmbeddedJourneys.open and `join`."""
        path = wanted.path.resolve()
        with self._lock:
            store = self._by_path.get(path)
            if store is None:
                store = _OpenStore(wanted.redis_url, wanted.make())
                timed_out = store.journeys.follow()
                try:
                    store.loop.run(store.journeys.open())
                except BaseException:
                    store.loop.close()
                    raise
                self._by_path[path] = store
            else:
                if wanted.redis_url not in (None, store.redis_url):
                    raise ConfigurationError(
                        f"redis_url: {path} is open already, with {'another' if store.redis_url else 'no'} Redis: stop "
                        "that manager first, or leave redis_url out"
                    )
                store.loop.run(store.journeys.join(wanted.policy, wanted.now))
                timed_out = store.journeys.follow()
            store.users.add(user)
            return store, timed_out

    def leave(self, user: int, store: _OpenStore) -> None:
        """Close the store if this was its last user. Blocks. Raises StoreUnavailableError."""
        with self._lock:
            store.users.discard(user)
            if store.users:
                return
            self._by_path = {path: each for path, each in self._by_path.items() if each is not store}
            try:
                store.loop.run(store.journeys.close())
            finally:
                store.loop.close()

    def forked(self) -> None:
        """In a forked child: let go of the parent's locks. What the parent has open is never touched, nor freed."""
        self._lock = Lock()
        for store in self._by_path.values():
            store.journeys.forked()
        self._left_behind += self._by_path.values()
        self._by_path = {}


_OPEN: Final = _OpenStores()
os.register_at_fork(after_in_child=_OPEN.forked)


def _leave_later(user: int, store: _OpenStore, pid: int) -> None:
    # On a thread: the garbage collector may run this on the store's own.
    if pid == os.getpid():
        Thread(target=_OPEN.leave, args=(user, store), daemon=True).start()


class SharedJourneys:
    """A JourneyBackend over a store that other managers of this process may share. For any event loop."""

    mode = "embedded"
    needs_its_loop = False

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._store: _OpenStore | None = None
        self._timed_out: deque[JourneyAbandoned] = deque()
        self._leave: weakref.finalize[Any, Any] | None = None

    @property
    def fault(self) -> str | None:
        """Why the last access to the store failed; None if it did not."""
        return None if self._store is None else self._store.journeys.fault

    async def open(self) -> None:
        """Open the store, or share the open one; another policy is put in force, and another clock of its kind.

        Raises StoreUnavailableError, and InvalidRecordError for a clock that is not allowed; then nothing is written.
        """
        store, self._timed_out = await asyncio.to_thread(_OPEN.join, id(self), self._wanted)
        self._store = store
        self._leave = weakref.finalize(self, _leave_later, id(self), store, os.getpid())
        self._leave.atexit = False  # the kernel lets go of the lock, and all that was acknowledged is on the disk

    async def close(self) -> None:
        """Leave the store; the last one closes it. Raises StoreUnavailableError."""
        store, self._store = self._opened(), None
        if self._leave is not None:
            self._leave.detach()
        await asyncio.to_thread(store.journeys.unfollow, self._timed_out)
        await asyncio.to_thread(_OPEN.leave, id(self), store)

    async def write(self, records: Sequence[JourneyRecord]) -> None:
        """As EmbeddedJourneys."""
        await self._run(self._opened().journeys.write(records))

    async def request(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle:
        """As EmbeddedJourneys."""
        return await self._run(self._opened().journeys.request(command))

    async def take_timed_out(self) -> list[JourneyAbandoned]:
        """Those since this manager's `open`, each once for each manager."""
        return await self._run(self._opened().journeys.take_timed_out(self._timed_out))

    async def row(self, journey_id: str) -> Row | None:
        """As EmbeddedJourneys."""
        return await self._run(self._opened().journeys.row(journey_id))

    async def abandonments_since(self, at: int) -> list[JourneyAbandoned]:
        """As EmbeddedJourneys."""
        return await self._run(self._opened().journeys.abandonments_since(at))

    async def clean_up(self) -> int | None:
        """As EmbeddedJourneys."""
        return await self._run(self._opened().journeys.clean_up())

    async def policy(self) -> Policy:
        """The policy in force."""
        return await self._run(self._opened().journeys.policy())

    async def figures(self) -> Figures:
        """Figures of the store in this process, whichever manager's."""
        return await self._run(self._opened().journeys.figures())

    async def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return await asyncio.wrap_future(self._opened().loop.submit(work))

    def _opened(self) -> _OpenStore:
        if self._store is None:
            raise NotStartedError("this manager was stopped")
        return self._store
