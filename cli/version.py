"""`journeys --version`: package, engine, Kafka client and Python."""

from __future__ import annotations

import typer

from journeys.cli.output import print_line

_PACKAGE = "gaelp-journeys"
_KAFKA_CLIENTS = ("aiokafka", "faust-streaming")
_NO_CLIENT = f"not installed: pip install '{_PACKAGE}[kafka]'"


def print_version(value: bool) -> None:
    """Print the versions and end the command, if the option was given."""
    if not value:
        return
    import platform
    import sys

    print_line(f"journeys {_version(_PACKAGE) or 'not installed as a package'}")
    print_line(f"engine: {_engine()}")
    clients = [(name, _version(name)) for name in _KAFKA_CLIENTS]
    installed = ", ".join(f"{name} {version}" for name, version in clients if version is not None)
    print_line(f"Kafka client: {installed or _NO_CLIENT}")
    print_line(f"Python: {platform.python_version()} ({platform.machine()}, {sys.platform})")
    raise typer.Exit


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _engine() -> str:
    """The engine that a worker would run with these settings, and why."""
    from journeys.cli.options import InvalidSettingError, settings_of
    from journeys.streams.compiled.engine_choice import EngineMissingError, load_engine

    try:
        engine = load_engine(settings_of().engine)
    except (EngineMissingError, InvalidSettingError) as error:
        return f"none: {error}"
    return engine.description
