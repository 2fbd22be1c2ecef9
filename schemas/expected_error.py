"""The base of errors that a person can put right: wrong input, a missing file, a server that does not answer."""

from __future__ import annotations

from typing import Any


class PicklableError(Exception):
    """An error that pickle and copy rebuild from its text and attributes, whatever its constructor takes.

    Without this an error whose constructor takes more than a text breaks a process pool, or leaves it waiting.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild without the constructor."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[PicklableError], args: tuple[Any, ...], attributes: dict[str, Any]) -> PicklableError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class ExpectedError(PicklableError):
    """An error that is no fault of the program. Its text says what is wrong and what to do.

    The command line prints the text and exits with 2; any other exception keeps its traceback.
    """
