"""What is said where a part of the front door needs packages that a plain install does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

Extra: TypeAlias = Literal["trainer", "redis", "gymnasium"]


@contextmanager
def needs(extra: Extra, what: str) -> Iterator[None]:
    """Import within it what `what` needs; raises ModuleNotFoundError that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise ModuleNotFoundError(
            f"{what} needs the package {package}: pip install 'gaelp-journeys[{extra}]'", name=package
        ) from error
