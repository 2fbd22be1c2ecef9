"""JourneyTimeoutManager: registers journeys, ends them, and says what that costs.

    manager = create_timeout_manager(timeout_days=14)
    async with manager:
        await manager.register_journey(journey_id="journey-123", start_time=datetime.now(), user_id="user-456")
        penalty = await manager.mark_abandoned(journey_id="journey-123", reason=AbandonmentReason.USER_FATIGUE)

It runs embedded, with a file and no server, or connected to Kafka, where workers decide. The calls and their answers
are the same (docs/trainer.md). Importing this loads neither Kafka nor the rule: they come with `start()`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from journeys.clock import now_ms
from training_orchestrator.api.abandonment import AbandonmentPenalty, AbandonmentReason, abandoned_journeys, penalty_of
from training_orchestrator.api.answers import NotStartedError, refusal_of
from training_orchestrator.api.configuration import ConfigurationError, TimeoutConfiguration
from training_orchestrator.api.local_time import datetime_of, instant_of

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from decimal import Decimal
    from types import TracebackType
    from typing import Unpack

    from journeys.schemas.records import JourneyAbandoned, JourneyCommand, JourneyLifecycle
    from training_orchestrator.api.abandonment import AbandonedJourney
    from training_orchestrator.api.figures import Figures
    from training_orchestrator.api.manager_options import StoreOptions
    from training_orchestrator.api.touchpoint import TouchpointFields, TrainerTouchpoint
    from training_orchestrator.backend.journey_backend import JourneyDoor

__all__ = [
    "AbandonmentPenalty",
    "AbandonmentReason",
    "JourneyTimeoutManager",
    "TimeoutConfiguration",
    "create_timeout_manager",
]


class JourneyTimeoutManager:
    """Journeys with their timeouts. An async context manager; `start()` and `stop()` do the same by hand.

    Embedded, unless `bootstrap_servers` (or JOURNEYS_BOOTSTRAP_SERVERS, without a `store_path`) names a Kafka.
    `project_id` and `dataset_id` name the BigQuery tables that the sink connector loads; nothing here talks to Google.
    """

    def __init__(  # noqa: PLR0913  (the front door: each is a setting with a default)
        self,
        configuration: TimeoutConfiguration | None = None,
        *,
        project_id: str | None = None,
        dataset_id: str | None = None,
        store_path: Path | str | None = None,
        bootstrap_servers: str | None = None,
        bring_policy: bool = False,
        answer_seconds: float = 30.0,
        now: Callable[[], int] | None = None,
        redis_url: str | None = None,
    ) -> None:
        """`now` (epoch milliseconds) in place of the clock makes an embedded store of simulated time.

        Connected, the policy is that of the log: a configuration other than the default is put in force there for
        everybody if `bring_policy` says so, and is else refused by `start()`. `answer_seconds`: how long to wait.
        `redis_url` mirrors the journeys to a Redis (extra `redis`), which never decides.
        """
        if store_path is not None and bootstrap_servers is not None:
            raise ConfigurationError(
                "store_path and bootstrap_servers: give one of them; connected, Kafka is the store"
            )
        if now is not None and bootstrap_servers is not None:
            raise ConfigurationError("now: connected, time is that of the topic's workers")
        if not isinstance(configuration, TimeoutConfiguration | None):
            raise ConfigurationError(f"configuration: {configuration!r} is not a TimeoutConfiguration")
        self.configuration = configuration or TimeoutConfiguration()
        self.project_id = project_id
        self.dataset_id = dataset_id
        self._store_path = None if store_path is None else Path(store_path)
        self._bootstrap_servers = bootstrap_servers
        self._bring_policy = bring_policy
        self._answer_seconds = answer_seconds
        self._now = now
        self._redis_url = redis_url
        self._door: JourneyDoor | None = None
        self._loop: AbstractEventLoop | None = None

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
        """Open the store and begin to watch deadlines; what came due meanwhile fires now, once.

        A second start does nothing. Raises StoreUnavailableError, ConfigurationError.
        """
        if self._door is None:
            import asyncio  # noqa: PLC0415  (light imports)

            door = await asyncio.to_thread(self._make_door)  # its imports take most of a second
            await door.open()
            self._door, self._loop = door, asyncio.get_running_loop()

    async def stop(self) -> None:
        """Stop watching and close the store; what was acknowledged stays. A second stop does nothing."""
        if self._door is not None:
            door, self._door = self._started(), None
            await door.close()

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
        """Begin a journey (default: now), or change what is given of an open one's timeout, inactivity and budget.

        Durable when it returns. One that lies before the journey's last end opens nothing and counts as refused.
        Raises InvalidRecordError, StoreUnavailableError.
        """
        from training_orchestrator.backend.journey_requests import registration  # noqa: PLC0415  (light imports)

        at = self._at(start_time, "start_time")
        said = registration(journey_id, user_id, at, timeout_days, inactivity_hours, budget)
        await self._started().write([said])

    async def record_touchpoint(self, journey_id: str, **said: Unpack[TouchpointFields]) -> None:
        """Record a touchpoint; `said` are the fields of TrainerTouchpoint. Durable when it returns.

        One whose id was given before counts once, one that lies before the journey's last end is late and changes
        nothing; metrics count both. Raises InvalidRecordError, StoreUnavailableError.
        """
        from training_orchestrator.api.touchpoint import TrainerTouchpoint  # noqa: PLC0415  (light imports)

        await self.record_touchpoints([TrainerTouchpoint(journey_id, **said)])

    async def record_touchpoints(self, touchpoints: Sequence[TrainerTouchpoint]) -> None:
        """Record many touchpoints in one go; raises as `record_touchpoint`, and then none of them is taken."""
        await self._started().write([touchpoint.record(self._present()) for touchpoint in touchpoints])

    async def check_timeouts(self) -> list[AbandonedJourney]:
        """Abandonments by deadline found out since `start()` that no earlier call has given, in order of firing.

        Embedded, deadlines are looked at now; connected, workers do that every second. Raises StoreUnavailableError.
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
        """End an open journey (default: now) and give the penalty that was booked.

        Raises UnknownJourneyError, JourneyConvertedError, JourneyAlreadyAbandonedError, RequestTooLateError: nothing is
        booked then. A journey whose deadline has passed was abandoned at its deadline, and already. Raises
        InvalidRecordError, StoreUnavailableError, AnswerOutstandingError.
        """
        from training_orchestrator.backend.journey_requests import Request  # noqa: PLC0415  (light imports)

        request = Request(journey_id, self._at(at, "at"), requested_by, note)
        answer = await self._ask(request.abandon(str(reason)))
        return penalty_of(answer)  # type: ignore[arg-type]  # to `abandon` it is an abandonment or was raised

    async def extend_timeout(
        self,
        journey_id: str,
        days: float,
        *,
        at: datetime | None = None,
        note: str | None = None,
        requested_by: str | None = None,
    ) -> datetime:
        """Move an open journey's timeout by `days` and give the new one, in UTC; the cap of the policy stands.

        Raises as `mark_abandoned`.
        """
        from training_orchestrator.backend.journey_requests import Request  # noqa: PLC0415  (light imports)

        request = Request(journey_id, self._at(at, "at"), requested_by, note)
        answer = await self._ask(request.extend(days))
        return datetime_of(answer.timeout_deadline_at)  # type: ignore[union-attr, arg-type]  # `extended` has one

    async def calculate_abandonment_cost(
        self, journey_id: str, reason: AbandonmentReason | str = AbandonmentReason.TIMEOUT
    ) -> AbandonmentPenalty:
        """What abandoning the open journey now for `reason` would cost; books nothing.

        Raises as `mark_abandoned`. Connected, the journey is as of the worker's last flush, and is looked for in the
        stored table: seconds, not milliseconds.
        """
        from training_orchestrator.embedded.abandonment_cost import cost_of  # noqa: PLC0415  (light imports)

        row = await self._started().row(journey_id)
        return cost_of(journey_id, row, str(reason), self._present())

    async def cleanup_stale_data(self) -> int | None:
        """Forget ended journeys older than the policy's cleanup period; gives how many were.

        None when connected: workers do it by themselves. Raises StoreUnavailableError.
        """
        return await self._started().clean_up()

    async def abandonments(self, since: datetime) -> list[AbandonedJourney]:
        """Abandonments detected since then, earlier runs included, each once. Raises StoreUnavailableError."""
        return await abandoned_journeys(await self._started().abandonments_since(instant_of(since, "since")))

    async def metrics(self) -> Figures:
        """What is known of journeys and store, as figures."""
        return await self._started().figures()

    def present(self) -> datetime:
        """Now, in UTC, as this manager takes it."""
        return datetime_of(self._present())

    async def _ask(self, command: JourneyCommand) -> JourneyAbandoned | JourneyLifecycle:
        from journeys.schemas.records import JourneyLifecycle  # noqa: PLC0415  (light imports)

        answer = await self._started().request(command)
        if isinstance(answer, JourneyLifecycle) and answer.kind == "refused":
            raise refusal_of(command.journey_id, answer.refusal, answer.abandonment_id, answer.abandonment_reason)
        return answer

    def _present(self) -> int:
        return now_ms() if self._now is None else self._now()

    def _at(self, moment: datetime | None, field: str) -> int:
        return self._present() if moment is None else instant_of(moment, field)

    def _started(self) -> JourneyDoor:
        if self._door is None:
            raise NotStartedError("call start() first, or use the manager as an async context manager")
        import asyncio  # noqa: PLC0415  (light imports)

        if asyncio.get_running_loop() is not self._loop:
            raise NotStartedError(
                "this manager was started in another event loop (each asyncio.run makes one of its own): start it, use "
                "it and stop it in one"
            )
        return self._door

    def _make_door(self) -> JourneyDoor:
        from training_orchestrator.backend_choice import door_of  # noqa: PLC0415  (the rule, and what it needs, loads here)

        return door_of(
            self.configuration,
            store_path=self._store_path,
            bootstrap_servers=self._bootstrap_servers,
            bring_policy=self._bring_policy,
            answer_seconds=self._answer_seconds,
            now=self._now,
            redis_url=self._redis_url,
        )


def create_timeout_manager(
    timeout_days: float = 14,
    project_id: str | None = None,
    dataset_id: str | None = None,
    *,
    inactivity_hours: float = 72,
    **more: Unpack[StoreOptions],
) -> JourneyTimeoutManager:
    """Make a manager; `more` are the keyword arguments of JourneyTimeoutManager."""
    configuration = TimeoutConfiguration(default_timeout_days=timeout_days, inactivity_threshold_hours=inactivity_hours)
    return JourneyTimeoutManager(configuration, project_id=project_id, dataset_id=dataset_id, **more)
