"""A log of one partition, read by the model: the meaning of `journeys replay`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .line import Line
from .model import Model, Result


def run(lines: list[dict[str, Any]], *, policy: dict[str, Any] | None = None, until: int | None = None) -> Result:
    """Replays a log of one partition.

    `lines` are valid objects of the JSONL format, in log order, and changes of the policy where they hold
    punctuations, too; `policy` is what differs from DEFAULT_POLICY, in force whatever the log says; `until` in epoch
    milliseconds ends the reading.
    """
    log = [Line.parse(raw, offset) for offset, raw in enumerate(lines, start=1)]
    if any(line.kind == "punctuation" for line in log):
        model = Model(policy, live=is_live(lines))
        script = as_it_is(log, until)
    else:
        model = Model({**(policy or {}), "grace_ms": 0})
        script = with_made_punctuations(log, until)
    for line in script:
        model.read(line)
    return model.result


def is_live(lines: list[dict[str, Any]]) -> bool:
    """Whether the log's punctuations say so; all of one log say the same."""
    return any(raw.get("time_source") == "live" for raw in lines)


def as_it_is(log: list[Line], until: int | None) -> Iterator[Line]:
    """The lines of a log that holds punctuations, up to the first that lies after `until`."""
    for line in log:
        if until is not None and line.at > until and line.kind != "policy":
            return
        yield line


def with_made_punctuations(log: list[Line], until: int | None) -> Iterator[Line]:
    """The lines of a log that holds none, each after a punctuation; one more comes at the end.

    A made punctuation has the offset of the line that it precedes.
    """
    if until is None:
        until = max((line.at for line in log), default=0)
    for position, line in enumerate(log):
        greatest = max(earlier.at for earlier in log[: position + 1])
        if greatest > until:
            yield made_punctuation(until, line.offset)
            return
        yield made_punctuation(greatest, line.offset)
        yield line
    yield made_punctuation(until, len(log) + 1)


def made_punctuation(at: int, offset: int) -> Line:
    """A punctuation that is in no file."""
    return Line(offset, {"kind": "punctuation", "at": at}, at)
