"""Keys by which clients of the door are known: read from a setting or its file, compared in constant time."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from journeys.agents.settings.operation_error import OperationError
from journeys.agents.settings.security_fault import variable
from journeys.agents.settings.security_files import secret_text
from journeys.agents.settings.settings import Settings

_SETTING: Final = "listen_keys"
_SHORTEST: Final = 16


class WrongKeysError(OperationError):
    """Keys that can't be used. The text has no key in it."""


class ClientKeys:
    """Keys of clients. Only their hashes are kept."""

    def __init__(self, keys: list[str]) -> None:
        self._hashes = [sha256(key.encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._hashes)

    def know(self, given: bytes | None) -> bool:
        """Whether a key is one of them. All are compared, whichever it is."""
        found = False
        given_hash = sha256(given or b"").digest()
        for one in self._hashes:
            found |= hmac.compare_digest(one, given_hash)
        return found


def client_keys(settings: Settings) -> ClientKeys:
    """Keys of the settings: one a line, or separated by spaces; lines that begin with # are comments.

    Several are for several clients, and for the days in which a key is replaced by another one.
    Raises WrongKeysError, SecurityFileError.
    """
    text = secret_text(settings, _SETTING)
    if text is None:
        return ClientKeys([])
    keys = [key for line in text.splitlines() if not line.lstrip().startswith("#") for key in line.split()]
    name = variable(_SETTING)
    if not keys:
        raise WrongKeysError(f"{name}: there is no key in it: one a line, of {_SHORTEST} characters or more")
    for number, key in enumerate(keys, start=1):
        if len(key) < _SHORTEST or not key.isascii():
            raise WrongKeysError(
                f"{name}: key {number} has {len(key)} characters; expected {_SHORTEST} or more, of ASCII: "
                "`openssl rand -hex 32` makes one"
            )
    return ClientKeys(keys)
