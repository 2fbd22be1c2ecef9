"""Options that several commands have, and the settings that come of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agents.settings import Settings

Servers = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        "-b",
        metavar="SERVERS",
        help="Kafka as host:port,... [env JOURNEYS_BOOTSTRAP_SERVERS; else the broker for development]",
    ),
]
Application = Annotated[
    str | None,
    typer.Option(
        "--application-id",
        metavar="ID",
        help="Which table and consumer group [env JOURNEYS_APPLICATION_ID; else journeys]",
    ),
]


class InvalidSettingError(Exception):
    """A setting, from the environment, a file .env or an option, that can't be taken."""


def settings_of(**given: Any) -> Settings:
    """Settings of the environment with the options that were given (not None). Raises InvalidSettingError."""
    from pydantic import ValidationError

    from agents.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = (
            f"setting {'.'.join(map(str, fault['loc']))}: {fault['input']!r} is not allowed: {fault['msg']}"
            for fault in error.errors()
        )
        raise InvalidSettingError("; ".join(faults)) from None
