"""Counts what the random logs reach: `python -m tests.naive.reach [CASES]`, from the repository's root.

A rule that no log reaches is not tested, so this is looked at whenever the generator changes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .journey import Episode, Journey
from .line import Line
from .logs import seeded_case
from .model import Model
from .replay import as_it_is, is_live, with_made_punctuations


def features(policy: dict[str, Any] | None, lines: list[dict[str, Any]], until: int | None) -> set[str]:
    """Names of all that happens when the model reads a log."""
    log = [Line.parse(raw, offset) for offset, raw in enumerate(lines, start=1)]
    made = not any(line.kind == "punctuation" for line in log)
    model = Model({**(policy or {}), "grace_ms": 0} if made else policy, live=is_live(lines))
    script = list(with_made_punctuations(log, until) if made else as_it_is(log, until))
    found = {"made punctuations" if made else "live punctuations" if is_live(lines) else "own punctuations"}
    if sum(line.kind != "punctuation" for line in script) < sum(line.kind != "punctuation" for line in log):
        found.add("until ends the reading")
    for line in script:
        found.update(_before(model, line))
        abandonments, said = len(model.result.abandonments), len(model.result.lifecycle)
        clock, dead = model.clock, len(model.result.dead)
        model.read(line)
        if line.kind == "clock_corrected":
            found.update(_corrected(model, line, clock, is_dead=len(model.result.dead) > dead))
        elif len(model.result.dead) > dead:
            found.add("punctuation ahead of its append time" if "append_time" in line.raw else "punctuation of no time")
            continue
        found.update(_lifecycle(model, line, model.result.lifecycle[said:]))
        found.update(_ends(model, line, model.result.abandonments[abandonments:]))
        if line.kind == "registration":
            found.update(_registered(model, line))
        if line.kind == "punctuation" and clock is not None and line.at <= clock:
            found.add("punctuation repeated" if line.at == clock else "punctuation going back")
        if line.kind == "policy":
            found.update(_policy_changed(model))
    return found


def _before(model: Model, line: Line) -> Iterator[str]:
    """What can be seen before a line is read: where it lies, and whose id it has."""
    if line.kind == "punctuation":
        for journey in model.journeys:
            episode = journey.open_episode()
            if episode is not None:
                off = line.at - episode.policy["grace_ms"] - journey.deadline(episode)[0]
                if off in (-1, 0):
                    yield f"punctuation at deadline + grace {off:+d} ms"
            elif journey.episodes[-1].end is not None:
                off = line.at - journey.episodes[-1].end.at - journey.episodes[-1].policy["cleanup_ms"]
                if off in (-1, 0):
                    yield f"punctuation at end + cleanup {off:+d} ms"
        return
    if line.kind in ("policy", "clock_corrected"):
        return
    if model.clock is None:
        yield "record without a clock"
    journey = model.find(line.raw["journey_id"])
    if not journey.episodes:
        yield from _absent(model, line)
        return
    yield from _identity(journey, line)
    episode = journey.open_episode()
    if episode is not None:
        off = line.at - journey.deadline(episode)[0]
        if off in (-1, 0):
            yield f"record at the deadline {off:+d} ms"
        if line.kind == "touchpoint":
            yield from _order(journey, episode, line)
        if line.raw.get("command") == "extend" and off < 0 and journey.timeout_deadline(episode) == episode.cap():
            yield "extend at the cap"
    ended = journey.last_ended()
    if ended is not None and ended.end is not None and line.at - ended.end.at in (0, 1):
        kind = "explicit end" if ended.end.explicit else "deadline end"
        yield f"record at the {kind} {line.at - ended.end.at:+d} ms"


def _absent(model: Model, line: Line) -> Iterator[str]:
    earlier = [j for j in model.journeys if j.journey_id == line.raw["journey_id"]]
    if earlier:
        yield "record after cleanup"
    if line.identity is not None and any(line.identity in j.remembered() for j in earlier):
        yield "id again after cleanup"
    if model.clock is None:
        return
    behind = model.clock - line.at
    if model.memory() - behind in (0, 1):
        yield f"unknown journey at clock - cleanup {model.memory() - behind:+d} ms"
    if model.memory() <= behind < model.policy["cleanup_ms"]:
        yield "unknown journey within the cleanup in force, not within an earlier one"


def _identity(journey: Journey, line: Line) -> Iterator[str]:
    if line.identity is None or line.identity not in journey.identities:
        if line.identity is not None and line.identity[1] in {name for _, name in journey.identities}:
            yield "touchpoint and command with one id"
        return
    if line.identity not in journey.remembered():
        yield "id again after as many others as are remembered"
        return
    yield f"duplicate {line.kind}"
    episode = journey.open_episode()
    ids_of_episode = [] if episode is None else [t.identity for t in episode.touchpoints]
    if line.kind == "touchpoint" and line.identity not in ids_of_episode:
        yield "duplicate of an earlier episode"


def _order(journey: Journey, episode: Episode, line: Line) -> Iterator[str]:
    last = episode.last_touchpoint_at()
    if last is not None and line.at < last and line.identity not in journey.remembered():
        yield "touchpoint older than the latest"
        if line.raw.get("state") == "CONVERTED":
            yield "older touchpoint converts"
    if last is not None and line.at == last:
        yield "touchpoint as old as the latest"
    ended = journey.last_ended()
    if line.at < episode.started_at and (ended is None or ended.end is None or line.at > ended.end.at):
        yield "touchpoint before started_at applied"


def _registered(model: Model, line: Line) -> Iterator[str]:
    if model.result.outcomes[line.offset] != "applied":
        return
    journey = model.find(line.raw["journey_id"])
    episode = journey.open_episode()
    if episode is None:
        return
    yield "registration with an episode before" if len(journey.episodes) > 1 else "registration"
    if episode.touchpoints:
        yield "registration on an open episode"
        wanted = episode.policy["timeout_ms"] + sum(episode.extensions)
        if wanted > episode.policy["max_journey_duration_ms"] and line.raw.get("timeout_days") is not None:
            yield "timeout changed after extensions beyond the cap"
    if model.clock is not None and journey.deadline(episode)[0] + episode.policy["grace_ms"] <= model.clock:
        yield "deadline moved into the past"


def _lifecycle(model: Model, line: Line, said: list[dict[str, Any]]) -> Iterator[str]:
    for entry in said:
        yield entry["kind"]
        if entry["kind"] == "late_touchpoint":
            journey = model.find(entry["journey_id"])
            of = "an abandonment" if entry["abandonment_id"] else "a conversion"
            yield f"late touchpoint of {of if entry['started_at'] else 'no episode'}"
            ended = journey.last_ended()
            if journey.open_episode() is not None:
                yield "late touchpoint while a newer episode is open"
            if ended is not None and ended.end is not None and ended.end.abandonment is None:
                yield "late by the quiet period" if line.at > ended.end.at else "late by the conversion"
        if entry["kind"] == "refused":
            yield f"refused {line.kind} " + ("late" if entry["started_at"] else "without an episode")
        if entry["kind"] == "converted" and _concerned(model, entry)[1].returned_from is not None:
            yield "conversion after a return" + ("" if entry["abandonment_id"] else ", after cleanup")
        yield from _after_a_correction(model, line, entry)
        if entry.get("converts_at_once"):
            yield "return that converts at once"
        if entry["kind"].startswith("extended"):
            journey, episode = _concerned(model, entry)
            if journey.timeout_deadline(episode) == episode.cap():
                yield f"{entry['kind']} to the cap"
                if episode.end is not None and episode.end.at == episode.cap():
                    yield f"{entry['kind']} and abandoned at the cap at once"
            if entry["kind"] == "extended_automatically":
                yield "extended automatically by " + ("punctuation" if line.kind == "punctuation" else "record")
            if entry["kind"] == "extended_automatically" and len(episode.extensions) > 1:
                yield "extended automatically once more"
    kinds = [entry["kind"] for entry in said]
    if line.kind == "touchpoint" and kinds[-1:] == ["started"] and len(model.find(line.raw["journey_id"]).episodes) > 1:
        yield "started after a conversion"


def _after_a_correction(model: Model, line: Line, entry: dict[str, Any]) -> Iterator[str]:
    if entry["kind"] == "returned":
        before = _concerned(model, entry)[1].returned_from
        if before is not None and before["abandoned_at"] > line.at:
            yield "returned before its end"
    if entry["kind"] == "late_touchpoint" and model.known_after is not None and line.at <= model.known_after:
        yield "late by a corrected clock"


def _corrected(model: Model, line: Line, clock: int | None, *, is_dead: bool) -> Iterator[str]:
    if is_dead:
        yield "correction that does not count"
        return
    yield "clock corrected " + ("from nothing" if clock is None else "back" if line.at < clock else "ahead")
    for journey in model.journeys:
        if journey.is_gone:
            yield "forgotten by a wrong clock"
        ended = journey.last_ended()
        if ended is not None and ended.end is not None and ended.end.covers_only_to is not None:
            yield "ended by a wrong clock"


def _policy_changed(model: Model) -> Iterator[str]:
    if model.policy in model.policies[:-1]:
        yield "policy that was in force before"
    for journey in model.journeys:
        episode = journey.open_episode()
        if episode is not None and episode.policy != model.policy:
            yield "policy changed while an episode is open"
        elif episode is None and journey.episodes[-1].policy["cleanup_ms"] != model.policy["cleanup_ms"]:
            yield "cleanup changed while a journey is remembered"


def _ends(model: Model, line: Line, abandonments: list[dict[str, Any]]) -> Iterator[str]:
    for a in abandonments:
        journey, episode = _concerned(model, a)
        explicit = episode.end is not None and episode.end.explicit
        by = ("explicit, by " if explicit else "deadline, by ") + line.kind
        yield f"{a['abandonment_reason']} {by}"
        if a["abandonment_reason"] == "TIMEOUT" and not explicit:
            if journey.inactivity_deadline(episode) == a["abandoned_at"]:
                yield "tie of TIMEOUT and INACTIVITY"
            if a["abandoned_at"] == episode.cap():
                yield "TIMEOUT at the cap"
                if episode.policy["max_journey_duration_ms"] == 90 * 86_400_000:
                    yield "TIMEOUT at the cap of 90 days"
        if a["last_touchpoint_at"] is None:
            yield "abandoned without touchpoints"
        elif a["last_touchpoint_at"] > a["abandoned_at"]:
            yield "abandoned before its last touchpoint"
        if a["total_cost_micros"] == journey.budget(episode) and "BUDGET" in a["abandonment_reason"]:
            yield "budget met exactly"
        if model.is_absent(journey, line.at) and line.kind != "punctuation" and not explicit:
            yield "absent as soon as ended by its next record"
        if len(journey.episodes) > 2:
            yield "third episode abandoned"
        yield from _policies(model, journey, episode)
        if episode is not journey.episodes[0] and not _opened_by_registration(episode) and journey.registrations:
            yield "overrides kept by a later episode"
    if len(abandonments) > 1:
        yield "several abandoned by one punctuation"
        if len({a["abandoned_at"] for a in abandonments}) < len(abandonments):
            yield "several abandoned at one deadline"


def _policies(model: Model, journey: Journey, episode: Episode) -> Iterator[str]:
    """Under which policy the last episode was abandoned."""
    if episode.policy != model.policy:
        yield "abandoned under an earlier policy"
    if len(journey.episodes) > 1 and journey.episodes[-2].policy != episode.policy:
        yield "abandoned under another policy than the episode before"


def _concerned(model: Model, what: dict[str, Any]) -> tuple[Journey, Episode]:
    """The journey and episode of an abandonment or a lifecycle entry, absent or not."""
    for journey in model.journeys + model.replaced:
        for episode in journey.episodes:
            if (journey.journey_id, episode.started_at) == (what["journey_id"], what["started_at"]):
                return journey, episode
    raise LookupError(what)


def _opened_by_registration(episode: Episode) -> bool:
    return not any(t.at == episode.started_at for t in episode.touchpoints)


def count(cases: int) -> Counter[str]:
    """In how many of the cases from seeds 0 onward each feature occurs."""
    counted: Counter[str] = Counter()
    for seed in range(cases):
        counted.update(features(*seeded_case(seed)))
    return counted


if __name__ == "__main__":
    for name, times in sorted(count(int(sys.argv[1]) if len(sys.argv) > 1 else 2000).items()):
        sys.stdout.write(f"{times:6d}  {name}\n")
