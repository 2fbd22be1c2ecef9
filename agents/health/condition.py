"""Whether a process lives and works, and if not, why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Final, NamedTuple, TypeAlias

_TURNS_EVERY_SECONDS: Final = 0.5
_NOT_READY_AFTER_SECONDS: Final = 5.0
_NOT_LIVE_AFTER_SECONDS: Final = 20.0
"""Long enough for a batch or a restore that occupies the loop; a supervisor's probe then adds its own patience."""


class Reason(NamedTuple):
    """Why a process does not do its work: a short name, which is the label of a metric, and the facts in words."""

    name: str
    text: str


class Condition(NamedTuple):
    """Why a process should be restarted (`faults`) and why it does not work (`hindrances`). Empty: it is well."""

    faults: tuple[Reason, ...] = ()
    hindrances: tuple[Reason, ...] = ()


ReadCondition: TypeAlias = Callable[[], Condition]


def starting() -> Condition:
    """Condition of a process before its parts run."""
    return Condition((), (Reason("starting", "settings, Kafka and topics are being checked"),))


class LoopCondition:
    """The condition of an event loop and of the parts that run in it.

    The loop itself writes it twice a second; it is read from any thread, at once. So a loop that is stuck is seen.
    """

    def __init__(self, reasons: Callable[[], Iterable[Reason]]) -> None:
        """Begin in the running loop. `reasons` looks at its parts and gives why they don't work; none: they do."""
        self._reasons = reasons
        self._loop = asyncio.get_running_loop()
        self._turn()

    def __call__(self) -> Condition:
        """Present condition."""
        turned_at, reasons = self._last
        still = monotonic() - turned_at
        if still < _NOT_READY_AFTER_SECONDS:
            return Condition((), reasons)
        stuck = Reason("stuck", f"the event loop has done nothing for {still:.0f} s")
        return Condition((stuck,) if still >= _NOT_LIVE_AFTER_SECONDS else (), (stuck,))

    def _turn(self) -> None:
        self._last = monotonic(), tuple(self._reasons())
        self._loop.call_later(_TURNS_EVERY_SECONDS, self._turn)
