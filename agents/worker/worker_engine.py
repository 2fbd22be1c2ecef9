"""The engine that a worker's settings name."""

from __future__ import annotations

from journeys.agents.settings.operation_error import OperationError
from journeys.streams.compiled.engine_choice import Engine, EngineMissingError, EngineSetting, load_engine


def engine_of(setting: EngineSetting) -> Engine:
    """Engine of a setting. Raises OperationError where the compiled one is wanted and can't be had."""
    try:
        return load_engine(setting)
    except EngineMissingError as error:
        raise OperationError(str(error)) from None
