"""The file .env of the current folder, which may belong to another program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from journeys.agents.settings.operation_error import OperationError

_ENV_FILE: Final = Path(".env")
_OURS: Final = b"JOURNEYS_"


class UnreadableEnvError(OperationError):
    """The file .env has settings of ours, and can't be read as UTF-8."""


def env_file_to_read() -> Path | None:
    """`.env`, or None where it names none of our settings: then whatever it is, it stops nothing of ours.

    Raises UnreadableEnvError.
    """
    try:
        content = _ENV_FILE.read_bytes() if _ENV_FILE.is_file() else b""
    except OSError as error:
        raise UnreadableEnvError(
            f"{_ENV_FILE.absolute()}: {error.strerror}; it may have settings: make it readable, or use another folder"
        ) from None
    if _OURS not in content.upper():
        return None
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise UnreadableEnvError(
            f"{_ENV_FILE.absolute()}: byte {error.start} is not UTF-8, and the file has {_OURS.decode()}* settings: "
            "save it as UTF-8"
        ) from None
    return _ENV_FILE
