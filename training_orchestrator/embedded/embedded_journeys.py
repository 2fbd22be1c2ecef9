"""The embedded backend: the rule over a local log, on a thread of its own.

Calls that arrive while the thread is busy are applied together in its next turn, with one commit for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar

from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle, JourneyRecord
from journeys.streams.compiled.engine_choice import Engine
from journeys.streams.partition.abandonment_metrics import BY_DEADLINE
from journeys.streams.partition.effects import Effects
from journeys.streams.rule.policy import Policy
from journeys.streams.rule.row import Row
from training_orchestrator.api.answers import AnswerOutstandingError, StoreUnavailableError
from training_orchestrator.api.figures import Figures
from training_orchestrator.backend.journey_update import JourneyUpdate, Mirror
from training_orchestrator.backend.output_tally import Tally
from training_orchestrator.embedded.checked_clock import CheckedClock
from training_orchestrator.embedded.command_answer import answer_of, require_accepted
from training_orchestrator.embedded.local_journeys import LocalJourneys
from training_orchestrator.runtime.trainer_log import trainer_log

log = trainer_log("journeys.trainer")
_TURN_RECORDS: Final = 5_000  # of one commit, so that no call waits long for another's batch
_RETRY_SECONDS: Final = 1.0
_LEAST_WAIT_SECONDS: Final = 0.2  # so that deadlines close to each other share a commit
_KEPT_TIMED_OUT: Final = 100_000
_BATCH_JOURNEYS: Final = 5_000
Result = TypeVar("Result")


@dataclass(slots=True)
class _Call:
    records: Sequence[JourneyRecord]
    answer: asyncio.Future[list[Effects]]

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # marks it as retrieved, for a caller that was cancelled


class _Turn(NamedTuple):
    """Results of the calls of one commit, updates for the mirror, and when the next punctuation is due."""

    results: list[list[Effects] | InvalidRecordError]
    applied: list[Effects]
    updates: list[JourneyUpdate]
    due_at: int


class EmbeddedJourneys:
    """A file, for one event loop. `interval_seconds` is the longest time between two checks of deadlines."""

    mode = "embedded"

    def __init__(
        self,
        path: Path,
        policy: Policy | None,
        now: CheckedClock,
        interval_seconds: float,
        engine: Engine,
    ) -> None:
        self._journeys = LocalJourneys(path, policy, now, engine)
        self._engine = engine
        self._now = now
        self._is_live = now.time_source == "live"
        self._interval_ms = int(interval_seconds * 1000)
        self._thread = ThreadPoolExecutor(1, "journeys")
        self._waiting: deque[_Call] = deque()
        self._turns: asyncio.Task[None] | None = None
        self._monitoring: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._due_at = 0
        self._followers: list[deque[JourneyAbandoned]] = []
        self._tally = Tally()
        self.fault: str | None = None
        self._restore_seconds: float | None = None
        self.mirror: Mirror | None = None
        """Gets every change; set it before `open`."""

    def follow(self) -> deque[JourneyAbandoned]:
        """Abandonments by deadline from now on, at most the last 100,000: pass it to `take_timed_out`."""
        timed_out: deque[JourneyAbandoned] = deque(maxlen=_KEPT_TIMED_OUT)
        self._followers = [*self._followers, timed_out]
        return timed_out

    def unfollow(self, timed_out: deque[JourneyAbandoned]) -> None:
        """Collect no more of them."""
        self._followers = [each for each in self._followers if each is not timed_out]

    async def join(self, policy: Policy | None, now: CheckedClock) -> None:
        """Another manager uses this store from now on; raises as LocalJourneys.join."""
        self._note(await self._in_thread(self._join_turn, policy, now))

    def forked(self) -> None:
        """In a forked child: let go of the parent's lock."""
        self._journeys.log.forked()

    async def open(self) -> None:
        """Restore, fire overdue deadlines, and start checking deadlines.

        Raises StoreUnavailableError, and InvalidRecordError for a clock that is not allowed; then nothing is written.
        """
        log.info(f"engine: {self._engine.description}")
        began_at = monotonic()
        try:
            self._keep_timed_out(await self._in_thread(self._open))
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self._restore_seconds = monotonic() - began_at
        if self.mirror is not None:
            self.mirror.start()
        if self._is_live:  # simulated time stands still between calls
            self._monitoring = asyncio.create_task(self._monitor())

    async def close(self) -> None:
        """Wait for running calls, and store the state. Raises StoreUnavailableError."""
        if self._monitoring is not None:
            self._monitoring.cancel()
            await asyncio.gather(self._monitoring, return_exceptions=True)
        if self._turns is not None:
            await self._turns
        if self.mirror is not None:
            await self.mirror.stop()
        try:
            await self._in_thread(self._journeys.close)
        finally:
            self._thread.shutdown(wait=False)

    async def write(self, records: Sequence[JourneyRecord]) -> None:
        """Append and apply; raises InvalidRecordError, and then none of the records is appended."""
        for effects in await self._apply(records):
            require_accepted(effects)

    async def request(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle:
        """Append and apply a command."""
        (effects,) = await self._apply([command])
        answer = answer_of(command, effects)
        if answer is None:
            raise AnswerOutstandingError(f"command {command.command_id} was applied before, and has no new answer")
        return answer

    async def take_timed_out(self, timed_out: deque[JourneyAbandoned]) -> list[JourneyAbandoned]:
        """Check deadlines now, and take what one follower has collected; the feed has all."""
        await self._punctuate()
        taken = list(timed_out)
        timed_out.clear()
        return taken

    async def row(self, journey_id: str) -> Row | None:
        """Row as of the last call that was applied; read-only."""
        return await self._in_thread(self._journeys.row, journey_id)

    async def abandonments_since(self, at: int) -> list[JourneyAbandoned]:
        """From the file, those of earlier runs included."""
        return await self._in_thread(self._journeys.abandonments_since, at)

    async def clean_up(self) -> int | None:
        """Delete the rows of all journeys past cleanup, batch after batch."""
        deleted = 0
        while batch := len((await self._punctuate()).deleted):
            deleted += batch
        await self._in_thread(self._journeys.store_rows)
        return deleted

    async def figures(self) -> Figures:
        """Figures of this process."""
        return await self._in_thread(self._figures)

    async def policy(self) -> Policy:
        """The policy in force."""
        return (await self.policies())[0]

    async def policies(self) -> tuple[Policy, dict[str, Policy]]:
        """The policy in force, and all policies of the log by version."""
        return await self._in_thread(self._journeys.policies)

    async def change_policy(self, policy: Policy, requested_by: str) -> None:
        """Append PolicyChanged and apply it; it stays in force until a manager has another configuration."""
        self._note(await self._in_thread(self._change_policy_turn, policy, requested_by))

    async def updates(self) -> AsyncIterator[list[JourneyUpdate]]:
        """Present state of all journeys, in batches; calls are served between two of them."""
        names = await self._in_thread(lambda: list(self._journeys.partition.rows))
        for start in range(0, len(names), _BATCH_JOURNEYS):
            yield await self._in_thread(self._updates_of, names[start : start + _BATCH_JOURNEYS])

    def _open(self) -> list[JourneyAbandoned]:
        abandonments = self._journeys.open()
        self._tally.abandonments(abandonments)
        return abandonments

    def _updates_of(self, names: Iterable[str]) -> list[JourneyUpdate]:
        row_of = self._journeys.partition.rows.get
        rows = ((name, row_of(name)) for name in names)
        return [JourneyUpdate(name, None) if row is None else JourneyUpdate.of_row(row) for name, row in rows]

    def _figures(self) -> Figures:
        partition, counts = self._journeys.partition, self._journeys.counts
        figures = self._tally.figures(
            self.mode,
            is_healthy=self.fault is None,
            active=partition.open_count(),
            duplicates=counts.duplicate,
            does_cleanup=True,
            redis=self.mirror,
        )
        return replace(
            figures,
            applied=counts.applied,
            held_journeys=len(partition.rows),
            cleanup_lag_seconds=partition.cleanup_lag_ms() / 1000,
            clock_lag_seconds=None if partition.clock is None else max(0, self._now() - partition.clock) / 1000,
            restore_seconds=self._restore_seconds,
        )

    async def _apply(self, records: Sequence[JourneyRecord]) -> list[Effects]:
        call = _Call(records, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns())
        # Cancelling the caller does not cancel its records: they may be in the log already.
        return await asyncio.shield(call.answer)

    async def _take_turns(self) -> None:
        while self._waiting:
            calls = self._next_turn()
            try:
                turn = await self._in_thread(self._apply_turn, [call.records for call in calls])
            except Exception as error:
                for call in calls:
                    call.fail(error)
                continue
            self._note(turn)
            for call, result in zip(calls, turn.results, strict=True):
                if isinstance(result, InvalidRecordError):
                    call.fail(result)
                elif not call.answer.done():
                    call.answer.set_result(result)
            if turn.due_at < self._due_at:
                self._changed.set()

    def _apply_turn(self, calls: Sequence[Sequence[JourneyRecord]]) -> _Turn:
        return self._turn_of(self._journeys.apply_calls(calls))

    def _change_policy_turn(self, policy: Policy, requested_by: str) -> _Turn:
        return self._turn_of([self._journeys.change_policy(policy, requested_by)])

    def _join_turn(self, policy: Policy | None, now: CheckedClock) -> _Turn:
        return self._turn_of([self._journeys.join(policy, now)])

    def _punctuate_turn(self) -> _Turn:
        return self._turn_of([[self._journeys.punctuate()]])

    def _turn_of(self, results: list[list[Effects] | InvalidRecordError]) -> _Turn:
        """Runs on the thread: it alone may read rows, and logging takes time."""
        applied = [effects for result in results if isinstance(result, list) for effects in result]
        self._tally.effects(applied)
        updates = [] if self.mirror is None else self._updates_of(self._journeys.changed(applied))
        return _Turn(results, applied, updates, self._journeys.punctuation_due_at(self._interval_ms))

    def _next_turn(self) -> list[_Call]:
        calls: list[_Call] = []
        size = 0
        while self._waiting and (not calls or size + len(self._waiting[0].records) <= _TURN_RECORDS):
            size += len(self._waiting[0].records)
            calls.append(self._waiting.popleft())
        return calls

    async def _punctuate(self) -> Effects:
        turn = await self._in_thread(self._punctuate_turn)
        self._note(turn)
        return turn.applied[0]

    async def _monitor(self) -> None:
        while True:
            self._changed.clear()
            self._due_at = await self._in_thread(self._journeys.punctuation_due_at, self._interval_ms)
            wait = min(max((self._due_at - self._now()) / 1000, _LEAST_WAIT_SECONDS), self._interval_ms / 1000)
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
                continue  # a call has made an earlier deadline
            except TimeoutError:
                pass
            try:
                await self._punctuate()
                await self._in_thread(self._journeys.store_rows)
            except StoreUnavailableError as error:
                log.warning("deadlines are not checked: the store is unavailable", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _in_thread(self, work: Callable[..., Result], *args: Any) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, copy_context().run, work, *args)
        except StoreUnavailableError as error:
            self.fault = str(error)
            raise

    def _note(self, turn: _Turn) -> None:
        self.fault = None
        if self.mirror is not None:
            self.mirror.note(turn.updates)
        for effects in turn.applied:
            self._keep_timed_out(effects.abandonments)

    def _keep_timed_out(self, abandonments: Sequence[JourneyAbandoned]) -> None:
        by_deadline = [record for record in abandonments if record.abandonment_reason in BY_DEADLINE]
        for timed_out in self._followers:
            timed_out.extend(by_deadline)
