"""Chooses a manager's backend, embedded or connected, by its arguments and the settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast, get_args

from training_orchestrator.api.configuration import DEFAULT_STORE, ConfigurationError
from training_orchestrator.api.extras import needs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from journeys.streams.rule.policy import Policy
    from training_orchestrator.api.configuration import TimeoutConfiguration
    from training_orchestrator.backend.journey_backend import JourneyBackend

_DEFAULT_INTERVAL_MINUTES: Final = 30
ENGINE: Final = "JOURNEYS_ENGINE"


def backend_of(
    configuration: TimeoutConfiguration,
    policy: Policy | None,
    *,
    store_path: Path | None,
    bootstrap_servers: str | None,
    bring_policy: bool,
    answer_seconds: float,
    now: Callable[[], int] | None,
    redis_url: str | None,
) -> JourneyBackend:
    """Connected where `bootstrap_servers`, or else the settings without a `store_path`, name a Kafka; else embedded.

    Raises ConfigurationError, ModuleNotFoundError where an extra is not installed.
    """
    if store_path is None and now is None:
        from training_orchestrator.sources.given_settings import given_settings  # noqa: PLC0415  (each backend's imports)

        settings = given_settings(bootstrap_servers)
        if settings.bootstrap_servers is not None:
            from journeys.streams.rule.policy import DEFAULT_POLICY  # noqa: PLC0415  (as above)

            with needs("trainer", "a connected manager"):
                from training_orchestrator.connected.connected_journeys import ConnectedJourneys  # noqa: PLC0415  (as above)

            if policy not in (None, DEFAULT_POLICY) and not bring_policy:
                raise ConfigurationError(
                    "this configuration is not the default policy, and connected, the policy of the log decides: "
                    "bring_policy=True puts this one in force for everybody, the default configuration takes the log's"
                )
            if configuration.abandonment_check_interval_minutes != _DEFAULT_INTERVAL_MINUTES:
                raise ConfigurationError(
                    "abandonment_check_interval_minutes: connected, workers look for deadlines, every "
                    "JOURNEYS_PUNCTUATION_INTERVAL_SECONDS: leave it out"
                )
            connected = ConnectedJourneys(settings, policy if bring_policy else None, answer_seconds)
            if redis_url is not None:
                with needs("redis", "redis_url"):
                    from training_orchestrator.mirror.connected_mirror import ConnectedMirror  # noqa: PLC0415  (as above)

                connected.mirror = ConnectedMirror(redis_url, settings)
            return connected
    from journeys.streams.compiled.engine_choice import EngineMissingError, EngineSetting, load_engine  # noqa: PLC0415  (as above)
    from training_orchestrator.embedded.checked_clock import CheckedClock  # noqa: PLC0415  (as above)
    from training_orchestrator.embedded.embedded_journeys import EmbeddedJourneys  # noqa: PLC0415  (as above)
    from training_orchestrator.embedded.shared_journeys import SharedJourneys, Wanted  # noqa: PLC0415  (as above)

    setting = os.environ.get(ENGINE, "auto")
    if setting not in get_args(EngineSetting):
        raise ConfigurationError(f"{ENGINE} is {setting!r}: set it to auto, compiled or reference, or leave it out")
    try:
        engine = load_engine(cast("EngineSetting", setting))
    except EngineMissingError as error:
        raise ConfigurationError(str(error)) from None

    path, clock = store_path or DEFAULT_STORE, CheckedClock(now)

    def first() -> EmbeddedJourneys:
        interval_seconds = configuration.abandonment_check_interval_minutes * 60
        embedded = EmbeddedJourneys(path, policy, clock, interval_seconds, engine)
        if redis_url is not None:
            from training_orchestrator.mirror.embedded_source import EmbeddedSource  # noqa: PLC0415  (as above)
            from training_orchestrator.sources.file_sources import StoreSource  # noqa: PLC0415  (as above)

            with needs("redis", "redis_url"):
                from training_orchestrator.mirror.redis_mirror import RedisMirror  # noqa: PLC0415  (as above)

            embedded.mirror = RedisMirror(redis_url, EmbeddedSource(embedded, StoreSource(path)))
        return embedded

    return SharedJourneys(Wanted(path, policy, clock, redis_url, first))
