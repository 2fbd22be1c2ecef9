"""JourneyTimeoutManager: registers journeys, ends them, and gives the penalties.

    manager = create_timeout_manager(timeout_days=14)
    async with manager:
        await manager.register_journey(journey_id="journey-123", start_time=datetime.now(), user_id="user-456")
        penalty = await manager.mark_abandoned(journey_id="journey-123", reason=AbandonmentReason.USER_FATIGUE)

It runs embedded, with a file and no server, or connected to Kafka, where workers decide. Calls and answers are the same
(docs/trainer.md). Importing this module loads neither Kafka nor the rule: `start()` does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from journeys.clock import now_ms
from training_orchestrator.api.abandonment import AbandonmentPenalty, AbandonmentReason, abandoned_journeys, penalty_of
from training_orchestrator.api.answers import NotStartedError, refusal_of
from training_orchestrator.api.configuration import (
    ConfigurationError,
    TimeoutConfiguration,
    given_policy,
    is_whole,
    user_path,
)
from training_orchestrator.api.local_time import datetime_of, instant_of
from training_orchestrator.runtime.collector_pause import collector_pause

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from types import TracebackType
    from typing import Any, Unpack

    from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle
    from journeys.streams.rule.policy import Policy
    from training_orchestrator.api.abandonment import AbandonedJourney
    from training_orchestrator.api.figures import Figures
    from training_orchestrator.api.manager_options import StoreOptions
    from training_orchestrator.api.touchpoint import TouchpointFields, TrainerTouchpoint
    from training_orchestrator.backend.journey_backend import JourneyBackend

__all__ = [
    "AbandonmentPenalty",
    "AbandonmentReason",
    "JourneyTimeoutManager",
    "TimeoutConfiguration",
    "create_timeout_manager",
]


_MOST_ON_LOOP: Final = 500  # takes 4 ms
_NOT_STARTED = "call start() first, or use the manager as an async context manager"


class JourneyTimeoutManager:
    """Journeys with their timeouts. An async context manager; `start()` and `stop()` do the same by hand.

    Embedded, unless `bootstrap_servers` (or JOURNEYS_BOOTSTRAP_SERVERS, without a `store_path`) names a Kafka.
    `project_id` and `dataset_id` name the BigQuery tables that the sink connector loads; nothing here talks to Google.
    """

    def __init__(  # noqa: PLR0913  (each is a setting with a default)
        self,
        configuration: TimeoutConfiguration | None = None,
        *,
        policy: Policy | Mapping[str, Any] | Path | str | None = None,
        project_id: str | None = None,
        dataset_id: str | None = None,
        store_path: Path | str | None = None,
        bootstrap_servers: str | None = None,
        bring_policy: bool = False,
        answer_seconds: float = 30.0,
        now: Callable[[], int] | None = None,
        redis_url: str | None = None,
    ) -> None:
        """Without `configuration` and `policy`, what was put in force last in the store stays in force.

        `policy` has all constants of the rule (docs/policy.md): a TOML file, its tables, or a Policy; it is in force
        until another one is given. `now` (gives epoch milliseconds) replaces the clock, for an embedded store of
        simulated time.

        Connected, the policy is the log's: `bring_policy=True` puts a configuration other than the default in force
        there for everybody, else `start()` refuses it. `answer_seconds` limits each wait for Kafka or a worker.
        `redis_url` mirrors the journeys to a Redis (extra `redis`); no decision depends on it.
        """
        if store_path is not None and bootstrap_servers is not None:
            raise ConfigurationError(
                "store_path and bootstrap_servers: give one of them; connected, Kafka is the store"
            )
        if now is not None and bootstrap_servers is not None:
            raise ConfigurationError("now: only for an embedded manager; connected, time is the workers'")
        if not isinstance(configuration, TimeoutConfiguration | None):
            raise ConfigurationError(f"configuration: {configuration!r} is not a TimeoutConfiguration")
        if configuration is not None and policy is not None:
            raise ConfigurationError("configuration and policy: give one of them; a policy has all of a configuration")
        self._given = given_policy(policy) if configuration is None else configuration.policy
        self.configuration = configuration or TimeoutConfiguration()
        self.project_id = project_id
        self.dataset_id = dataset_id
        self._store_path = None if store_path is None else user_path(store_path)
        self._bootstrap_servers = bootstrap_servers
        self._bring_policy = bring_policy
        self._answer_seconds = answer_seconds
        self._now = now
        self._redis_url = redis_url
        self._backend: JourneyBackend | None = None
        self._loop: AbstractEventLoop | None = None
        self._pid: int | None = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Open the store and start watching deadlines; overdue ones fire now, once.

        A second start does nothing. Raises StoreUnavailableError, ConfigurationError.
        """
        if self._backend is None or self._pid != os.getpid():
            import asyncio  # noqa: PLC0415  (light imports)

            backend = await asyncio.to_thread(self._make_backend)  # its imports take most of a second
            await backend.open()
            self._backend, self._loop, self._pid = backend, asyncio.get_running_loop(), os.getpid()

    async def stop(self) -> None:
        """Stop watching and close the store; acknowledged records stay. A second stop does nothing."""
        if self._backend is not None:
            backend, self._backend = self._started(), None
            await backend.close()

    async def register_journey(
        self,
        journey_id: str,
        start_time: datetime | None = None,
        user_id: str | None = None,
        *,
        timeout_days: float | None = None,
        inactivity_hours: float | None = None,
        budget: Decimal | float | None = None,
    ) -> None:
        """Open a journey (default: now), or change the given ones of an open journey's timeout, inactivity and budget.

        Durable when it returns. A start before the end of the journey's last episode is refused, and counted so.
        Raises InvalidRecordError, StoreUnavailableError.
        """
        from training_orchestrator.backend.journey_requests import registration  # noqa: PLC0415  (light imports)

        at = self._at(start_time, "start_time")
        record = registration(journey_id, user_id, at, timeout_days, inactivity_hours, budget)
        await self._started().write([record])

    async def record_touchpoint(self, journey_id: str, **fields: Unpack[TouchpointFields]) -> None:
        """Record a touchpoint; `fields` are those of TrainerTouchpoint. Durable when it returns.

        A duplicate (same `touchpoint_id`) counts once; one before the end of the journey's last episode is late and
        changes nothing; metrics count both. Raises InvalidRecordError, StoreUnavailableError.
        """
        from training_orchestrator.api.touchpoint import TrainerTouchpoint  # noqa: PLC0415  (light imports)

        await self.record_touchpoints([TrainerTouchpoint(journey_id, **fields)])

    async def record_touchpoints(self, touchpoints: Sequence[TrainerTouchpoint]) -> None:
        """Record many touchpoints in one call; raises as `record_touchpoint`, and then none of them is appended."""
        backend, now = self._started(), self._present()
        if len(touchpoints) <= _MOST_ON_LOOP:
            await backend.write([touchpoint.record(now) for touchpoint in touchpoints])
            return
        import asyncio  # noqa: PLC0415  (light imports)

        with collector_pause():
            await backend.write(await asyncio.to_thread(lambda: [each.record(now) for each in touchpoints]))

    async def record_signal(self, journey_id: str, signal: str, *, at: datetime | None = None) -> None:
        """Tell what happened elsewhere: `competitor_conversion`, `budget_exhausted` or `fatigue` ends the journey.

        Durable when it returns. For a journey that is not open it is refused, and counted so. Raises
        InvalidRecordError, StoreUnavailableError.
        """
        from journeys.schemas.records import JourneySignal  # noqa: PLC0415  (light imports)

        await self._started().write([JourneySignal(journey_id, self._at(at, "at"), signal)])

    async def check_timeouts(self) -> list[AbandonedJourney]:
        """Abandonments by deadline detected since `start()`, each given once, in the order in which they fired.

        Embedded, deadlines are checked now; connected, workers do it every second. Raises StoreUnavailableError.
        """
        return await abandoned_journeys(await self._started().take_timed_out())

    async def mark_abandoned(
        self,
        journey_id: str,
        reason: AbandonmentReason | str = AbandonmentReason.MANUAL_TERMINATION,
        *,
        at: datetime | None = None,
        note: str | None = None,
        requested_by: str | None = None,
    ) -> AbandonmentPenalty:
        """Abandon an open journey (default: now) and give its penalty.

        Raises UnknownJourneyError, JourneyConvertedError, RequestTooLateError, JourneyAlreadyAbandonedError (also if
        the deadline has passed: the journey was abandoned at it); no penalty is charged then. Also raises
        InvalidRecordError, StoreUnavailableError, AnswerOutstandingError.
        """
        from training_orchestrator.backend.journey_requests import Request  # noqa: PLC0415  (light imports)

        request = Request(journey_id, self._at(at, "at"), requested_by, note)
        answer = await self._answer_to(request.abandon(str(reason)))
        return penalty_of(answer)  # type: ignore[arg-type]  # an abandonment; a refusal was raised

    async def extend_timeout(
        self,
        journey_id: str,
        days: float,
        *,
        at: datetime | None = None,
        note: str | None = None,
        requested_by: str | None = None,
    ) -> datetime:
        """Move an open journey's timeout by `days` and give the new one, in UTC, at most at the policy's cap.

        Raises as `mark_abandoned`.
        """
        from training_orchestrator.backend.journey_requests import Request  # noqa: PLC0415  (light imports)

        request = Request(journey_id, self._at(at, "at"), requested_by, note)
        answer = await self._answer_to(request.extend(days))
        return datetime_of(answer.timeout_deadline_at)  # type: ignore[union-attr, arg-type]  # `extended` has one

    async def calculate_abandonment_cost(
        self, journey_id: str, reason: AbandonmentReason | str = AbandonmentReason.TIMEOUT
    ) -> AbandonmentPenalty:
        """Penalty of the open journey if it were abandoned now for `reason`; changes nothing.

        Raises as `mark_abandoned`. Connected, the journey's state is that of the worker's last flush, read from the
        stored table, which takes seconds.
        """
        from training_orchestrator.embedded.abandonment_cost import cost_of  # noqa: PLC0415  (light imports)

        row = await self._started().row(journey_id)
        return cost_of(journey_id, row, str(reason), self._present())

    async def cleanup_stale_data(self) -> int | None:
        """Delete ended journeys older than the policy's cleanup period, and give their number.

        None when connected: workers do it by themselves. Raises StoreUnavailableError.
        """
        return await self._started().clean_up()

    async def abandonments(self, since: datetime) -> list[AbandonedJourney]:
        """Abandonments detected at `since` or later, each once, those of earlier runs included.

        Raises StoreUnavailableError.
        """
        return await abandoned_journeys(await self._started().abandonments_since(instant_of(since, "since")))

    async def policy(self) -> Policy:
        """The policy in force for episodes that begin now: all constants of the rule. Raises StoreUnavailableError."""
        return await self._started().policy()

    async def metrics(self) -> Figures:
        """Present figures of journeys and store."""
        return await self._started().figures()

    @property
    def mode(self) -> str:
        """`embedded` or `connected`. Raises NotStartedError."""
        if self._backend is None:
            raise NotStartedError(_NOT_STARTED)
        return self._backend.mode

    @property
    def fault(self) -> str | None:
        """Why this manager does not do its work: it is not started, or its store can't be reached; None if it does."""
        return _NOT_STARTED if self._backend is None else self._backend.fault

    def present(self) -> datetime:
        """Now, in UTC, by this manager's clock."""
        return datetime_of(self._present())

    async def _answer_to(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle:
        from journeys.schemas.records import JourneyLifecycle  # noqa: PLC0415  (light imports)

        answer = await self._started().request(command)
        if isinstance(answer, JourneyLifecycle) and answer.kind == "refused":
            raise refusal_of(command.journey_id, answer.refusal, answer.abandonment_id, answer.abandonment_reason)
        return answer

    def _present(self) -> int:
        given = now_ms() if self._now is None else self._now()
        return int(given) if is_whole(given) else given  # the store refuses any other

    def _at(self, moment: datetime | None, field: str) -> int:
        return self._present() if moment is None else instant_of(moment, field)

    def _started(self) -> JourneyBackend:
        if self._backend is None:
            raise NotStartedError(_NOT_STARTED)
        import asyncio  # noqa: PLC0415  (light imports)

        if self._pid != os.getpid():
            raise NotStartedError("this manager was started in another process, of which this is a fork: call start()")
        if self._backend.needs_its_loop and asyncio.get_running_loop() is not self._loop:
            raise NotStartedError(
                "this connected manager was started in another event loop (each asyncio.run makes one of its own): "
                "start, use and stop it in the same loop"
            )
        return self._backend

    def _make_backend(self) -> JourneyBackend:
        from training_orchestrator.backend_choice import backend_of  # noqa: PLC0415  (loads the rule)

        return backend_of(
            self.configuration,
            self._given(),
            store_path=self._store_path,
            bootstrap_servers=self._bootstrap_servers,
            bring_policy=self._bring_policy,
            answer_seconds=self._answer_seconds,
            now=self._now,
            redis_url=self._redis_url,
        )


def create_timeout_manager(
    timeout_days: float | None = None,
    project_id: str | None = None,
    dataset_id: str | None = None,
    *,
    inactivity_hours: float | None = None,
    **more: Unpack[StoreOptions],
) -> JourneyTimeoutManager:
    """Make a manager; `more` are the keyword arguments of JourneyTimeoutManager.

    Without durations, those that the store has stay in force: 14 days and 72 hours in a new one. With one of them the
    other is that default.
    """
    configuration = None
    if timeout_days is not None or inactivity_hours is not None:
        configuration = TimeoutConfiguration(
            default_timeout_days=14 if timeout_days is None else timeout_days,
            inactivity_threshold_hours=72 if inactivity_hours is None else inactivity_hours,
        )
    return JourneyTimeoutManager(configuration, project_id=project_id, dataset_id=dataset_id, **more)
