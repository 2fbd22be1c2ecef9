"""Logs of a training run as JSON lines."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from training_orchestrator.api.configuration import ConfigurationError

_Level: TypeAlias = Literal["debug", "info", "warning", "error"]


def log_as_json(level: _Level = "info") -> None:
    """Log everything of this process to standard error, one JSON object a line, in the same format as a worker.

    Raises ConfigurationError.
    """
    from journeys.agents.settings.log_setup import set_up_logging  # noqa: PLC0415  (settings load here)
    from journeys.agents.settings.settings import Settings  # noqa: PLC0415  (as above)

    if level not in get_args(_Level):
        raise ConfigurationError(f"level: {level!r} is not one of {', '.join(get_args(_Level))}")
    set_up_logging(Settings(log_format="json", log_level=level))
