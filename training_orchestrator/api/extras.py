"""The error for a missing optional dependency: it names the extra to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

Extra: TypeAlias = Literal["trainer", "redis", "gymnasium"]


@contextmanager
def needs(extra: Extra, what: str) -> Iterator[None]:
    """Context for the imports of `what`; turns ModuleNotFoundError into one that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise ModuleNotFoundError(
            f"{what} needs the package {package}: pip install 'gaelp-journeys[{extra}]'", name=package
        ) from error
