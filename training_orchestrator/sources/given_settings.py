"""Settings of a trainer: those of the environment, with the `bootstrap_servers` of a call in place of their own."""

from __future__ import annotations

from pydantic import ValidationError

from journeys.agents.settings.foreign_env import UnreadableEnvError
from journeys.agents.settings.settings import Settings, faults_of
from training_orchestrator.api.configuration import ConfigurationError


def given_settings(bootstrap_servers: str | None = None) -> Settings:
    """Settings of the environment. Raises ConfigurationError."""
    try:
        return Settings() if bootstrap_servers is None else Settings(bootstrap_servers=bootstrap_servers)
    except ValidationError as error:
        raise ConfigurationError(faults_of(error)) from None
    except UnreadableEnvError as error:
        raise ConfigurationError(str(error)) from None
