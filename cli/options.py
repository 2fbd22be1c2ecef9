"""Options that several commands have, and the settings that follow from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from journeys.cli.horizon import horizon
from journeys.cli.instant import instant
from journeys.schemas.expected_error import ExpectedError

if TYPE_CHECKING:
    from journeys.agents.settings.settings import Settings

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
HistoryUntil = Annotated[
    int | None,
    typer.Option(
        parser=instant,
        metavar="INSTANT",
        help="Time ends there; RFC 3339 or epoch milliseconds. Without it, at the last record.",
    ),
]
ComparisonUntil = Annotated[
    int | None,
    typer.Option(
        parser=instant,
        metavar="INSTANT",
        help="Stop there; RFC 3339 or epoch milliseconds. Without it, and at the latest, at the last record.",
    ),
]
HorizonDays = Annotated[
    float,
    typer.Option(
        parser=horizon,
        metavar="N",
        help="Returns and conversions count that come within so many days after an abandonment.",
    ),
]
HeldMemory = Annotated[
    int,
    typer.Option("--memory", min=16, metavar="MIB", help="Memory for history that is not packed; more goes to files."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document in place of text; its keys: docs/command-line.md.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only: no progress, no remarks.")]


class InvalidSettingError(ExpectedError):
    """A setting, from the environment, a file .env or an option, that is not allowed."""


def settings_of(**options: Any) -> Settings:
    """Settings of the environment, and in their place the options that are not None. Raises InvalidSettingError."""
    from pydantic import ValidationError

    from journeys.agents.settings.settings import Settings, faults_of

    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        raise InvalidSettingError(faults_of(error)) from None
    except UnicodeDecodeError as error:
        raise InvalidSettingError(f".env: not UTF-8 ({error.reason}): save it as UTF-8") from None
    except OSError as error:
        raise InvalidSettingError(f"{error.filename or '.env'}: can't be read: {error.strerror}") from None
