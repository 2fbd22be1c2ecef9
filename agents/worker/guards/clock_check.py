"""The clock check: ends a worker whose clock differs from the broker's.

A worker says the time, and a wrong one would end journeys too early or never. The broker's time is in the
acknowledgement of each punctuation: its append time. Any clock that both share, such as a host's, is not tested by
this; the rule's clock guard stands behind it (`streams/rule/clock.py`).
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Final, NamedTuple

from journeys.agents.worker.ports.worker_exit import WorkerExit, end_now
from journeys.clock import now_ms
from journeys.streams.partition.log_entries import LOG_APPEND_TIME

LARGEST_DIFFERENCE_MS: Final = 30_000
"""Half of what the rule allows a punctuation, so that a worker ends before it writes dead letters."""
_MS: Final = 1_000


class Reading(NamedTuple):
    """This machine's clock (epoch milliseconds), and its monotonic clock (seconds) at the same moment."""

    at: int
    since: float

    @classmethod
    def now(cls) -> Reading:
        """Read both."""
        return cls(now_ms(), monotonic())


class ClockCheck:
    """Compares a worker's clock with the append times of its own punctuations."""

    def __init__(self) -> None:
        self.differences_ms: dict[int, int] = {}
        """By partition, how far this clock was ahead of the broker's (behind: below 0) at the last punctuation."""

    def check(self, number: int, reading: Reading, acknowledged: Any) -> None:
        """Look at the acknowledgement of a punctuation of that reading; ends the process if the clocks differ by more.

        `acknowledged` is aiokafka's RecordMetadata. The record was appended between the reading and now, so a slow
        broker looks like no difference.
        """
        if acknowledged.offset < 0:
            return  # written by an earlier try, of which the broker has forgotten the time
        if acknowledged.timestamp_type != LOG_APPEND_TIME:
            end_now(
                WorkerExit.SETUP,
                f"{acknowledged.topic} no longer has message.timestamp.type=LogAppendTime, so no punctuation counts: "
                "`journeys topics check` has the command that sets it",
            )
        earliest_ms = reading.at - acknowledged.timestamp
        latest_ms = earliest_ms + int((monotonic() - reading.since) * _MS)
        difference_ms = self.differences_ms[number] = least_difference(earliest_ms, latest_ms)
        if abs(difference_ms) > LARGEST_DIFFERENCE_MS:
            side = "ahead of" if difference_ms > 0 else "behind"
            end_now(
                WorkerExit.CLOCK,
                f"this machine's clock is {abs(difference_ms) / _MS:.0f} s {side} the broker's (append time in "
                f"{acknowledged.topic}[{number}]): set the wrong one right (NTP), and start the worker again",
            )


def least_difference(earliest: int, latest: int) -> int:
    """The number between two that is closest to 0."""
    return max(earliest, 0) + min(latest, 0)
