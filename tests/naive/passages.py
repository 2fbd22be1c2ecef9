"""A few lines in a row that single ones seldom make."""

from __future__ import annotations

from typing import Any

from .draft import ENDINGS, KINDS, Draft, record, time_line
from .line import DAY, HOUR
from .policy import Pick


def long_silence_allowed(pick: Pick, log: Draft, name: str) -> dict[str, Any]:
    """A registration that lets an episode go on for long."""
    overrides = {"inactivity_hours": pick([336, 1440, 2400]), "timeout_days": pick([14, 30, 80])}
    record = {"kind": "registration", "journey_id": name, "user_id": "user-0", "occurred_at": log.now}
    return {**record, **overrides}


def long_life(pick: Pick, log: Draft, name: str) -> None:
    """An episode comes to its cap, or is cut short late."""
    longest = {"timeout_days": pick([14, 80, 80, 80]), "inactivity_hours": pick([336, 2400, 2400])}
    log.add(long_silence_allowed(pick, log, name) | longest)
    for _ in range(pick([1, 2, 3])):
        log.add(record(pick, log, name, pick(["touchpoint", "extend"]), log.now + pick([DAY, 9 * DAY])))
    cut_short = pick([True, False, not log.made, not log.made])
    if not cut_short:
        log.add(record(pick, log, name, "extend", log.now) | {"days": 60})
    journey = log.model.find(name)
    episode = journey.open_episode()
    at = log.now if episode is None else episode.cap()
    if cut_short:
        if not log.made:
            log.add({"kind": "punctuation", "at": log.now + pick([0, 35 * DAY, 35 * DAY])})
        log.add(long_silence_allowed(pick, log, name) | {"timeout_days": 1})
        at = log.now
    log.add(record(pick, log, name, pick(KINDS + 4 * ENDINGS), at + pick([-1, 0, 1])))


def return_and_convert(pick: Pick, log: Draft, name: str) -> None:
    """An abandonment, a return, and a conversion about when the cleanup period ends."""
    log.add(long_silence_allowed(pick, log, name))
    log.add(record(pick, log, name, "abandon", log.now))
    cleaned_up_at = log.now + log.model.policy["cleanup_ms"]
    log.add(record(pick, log, name, "touchpoint", log.now + pick([1, DAY - 1])) | {"state": "INTENT"})
    if not log.made:
        log.add({"kind": "punctuation", "at": cleaned_up_at + pick([-1, 0])})
    converting = record(pick, log, name, "touchpoint", cleaned_up_at + pick([-1, 0, 1]))
    log.add(converting | {"state": "CONVERTED"})


def engaged(pick: Pick, log: Draft, name: str) -> None:
    """An episode that an automatic extension may save, and a record at its timeout or its cap."""
    days = {"timeout_days": pick([2.5, 14]), "inactivity_hours": pick([1440, 2400])}
    log.add(long_silence_allowed(pick, log, name) | days)
    for _ in range(2):
        step = pick([12 * HOUR, DAY])
        log.add(record(pick, log, name, "touchpoint", log.now + step) | {"state": pick(["CONSIDERING", "INTENT"])})
    journey = log.model.find(name)
    episode = journey.open_episode()
    if episode is not None:
        at = pick([journey.timeout_deadline(episode), episode.cap()])
        log.add(record(pick, log, name, pick(KINDS + 2 * ENDINGS), at + pick([-1, 0, 1])))


def id_sent_again(pick: Pick, log: Draft, name: str) -> None:
    """An id again, after about as many others as are remembered."""
    log.add(long_silence_allowed(pick, log, name))
    first = record(pick, log, name, "touchpoint", log.now) | {"touchpoint_id": f"again-{len(log.lines)}"}
    log.add(first)
    for _ in range(pick([6, 7, 8, 9])):
        log.add(record(pick, log, name, pick(["touchpoint", "extend"]), log.now + HOUR))
    log.add(record(pick, log, name, "touchpoint", log.now) | {"touchpoint_id": first["touchpoint_id"]})


def wrong_clock(pick: Pick, log: Draft, name: str) -> None:
    """A clock is wrong by days or more, and corrected; records of the present before and after that.

    Now and then it was right, and is corrected all the same.
    """
    if log.made:
        return
    if pick([True, True, True, False]):
        log.add(time_line(pick, log, log.now + pick([DAY, 4 * DAY, 40 * DAY])))
    for step in range(pick([0, 1, 2])):
        log.add(record(pick, log, name, pick(KINDS), log.now + pick([0, HOUR, step * DAY])))
    at = log.now + pick([0, 1, HOUR])
    log.add(time_line(pick, log, at, "clock_corrected"))
    log.add(record(pick, log, name, pick(KINDS), at + pick([-1, 0, 1, HOUR])))


PASSAGES = [wrong_clock, wrong_clock, long_life, long_life, long_life, return_and_convert, engaged, id_sent_again]
