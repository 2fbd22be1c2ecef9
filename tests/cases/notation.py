"""The notation of the case files: rows of cells, cells two or more spaces apart.

    case a journey falls silent
      policy  deadlines.inactivity_hours 48     # what differs from the default policy
      until  day 10                             # where the driver's own time ends
      day 0           j1  touch  AWARE  $1.50
      day 0 12:00     j1  touch
      gives
      day 0           j1  started
      day 2 12:00     j1  abandoned  INACTIVITY  spent $1.50
      counts  applied 2

Times count from day 0, 2025-01-01 UTC; clock time is hours, minutes, and where needed seconds and milliseconds.
Behind `gives` stand all outputs, in order, those of one record with abandonments first, or the word `nothing`;
each names the fields that its case is about. `counts` names all that is not zero. Row n of a log has the
touchpoint_id `t<n>` unless it says another `id`. With `clock` rows (punctuations) the log keeps its own time,
without them the driver makes it. Where one is `live`, the log is a live partition's, and a row of the time has the
append time that it says is its own, else none. `correct` is a correction of the clock. `#` begins a remark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from journeys.schemas.instants import DAY_MS, HOUR_MS, format_instant, parse_instant
from journeys.schemas.records import SIGNALS, STATES, ClockCorrected, PolicyChanged, Punctuation, TimeSourceChanged
from journeys.schemas.records import JourneyCommand as Command
from journeys.schemas.records import JourneyRegistered as Registration
from journeys.schemas.records import JourneySignal as Signal
from journeys.schemas.records import Touchpoint as Touch
from journeys.schemas.validation import validate
from journeys.streams.rule.policy import Policy, policy_from_json

DAY_0 = parse_instant("2025-01-01T00:00:00Z")
_TIME = re.compile(r"day (\d+)(?: (\d\d):(\d\d)(?::(\d\d)(?:\.(\d\d\d))?)?)?")
_UNITS = {"d": DAY_MS, "h": HOUR_MS}


def instant(text: str) -> int:
    """Epoch milliseconds of `day 3`, `day 3 02:00`, `day 3 02:00:30` or `day 3 02:00:30.001`."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"no time: {text}")
    days, hours, minutes, seconds, milliseconds = (int(part or 0) for part in match.groups())
    return DAY_0 + days * DAY_MS + hours * HOUR_MS + minutes * 60_000 + seconds * 1_000 + milliseconds


def day(at: int | None) -> str:
    """The same text of epoch milliseconds, or `none`."""
    if at is None:
        return "none"
    days, rest = divmod(at - DAY_0, DAY_MS)
    clock = format_instant(rest)[11:23]
    return f"day {days}" if rest == 0 else f"day {days} {clock.removesuffix('.000').removesuffix(':00')}"


def micros(text: str) -> int:
    """Micros of `$1.50`."""
    return int(Decimal(text.removeprefix("$")) * 1_000_000)


def duration(text: str) -> int:
    """Milliseconds of `14d` or `72h`."""
    return int(text[:-1]) * _UNITS[text[-1]]


# The names of input cells, the fields that they stand for, and how their values are read.
_NAMES = {
    "id": ("touchpoint_id", str),
    "command": ("command_id", str),
    "by": ("requested_by", str),
    "note": ("note", str),
    "user": ("user_id", str),
    "action": ("action_id", str),
    "acting": ("policy_version", str),
    "probability": ("conversion_probability", float),
    "propensity": ("propensity", float),
    "value": ("conversion_value_micros", micros),
    "timeout": ("timeout_ms", duration),
    "inactivity": ("inactivity_ms", duration),
    "budget": ("budget_micros", micros),
    "segment": ("segment", str),
}


@dataclass
class Case:
    """One case: `log` holds (row number, record), `gives` the cells of each output row."""

    name: str
    policy: Policy | None = None
    until: int | None = None
    log: list[tuple[int, object]] = field(default_factory=list)
    appended: dict[int, int] = field(default_factory=dict)
    """Append times by row number."""
    gives: list[list[str]] = field(default_factory=list)
    counts: dict[str, int] | None = None


def cases_of(path: Path) -> Iterator[Case]:
    """Cases of a file, in order; an unknown word is an error that names its line."""
    case = None
    given = True
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        row = line.partition("#")[0].strip()
        if not row:
            continue
        try:
            if row.startswith("case "):
                if case is not None:
                    yield _complete(case)
                case, given = Case(row.removeprefix("case ")), True
            elif row == "gives":
                given = False
            elif given:
                _take(case, re.split(r"  +", row))
            else:
                _expect(case, re.split(r"  +", row))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path.name}:{number}: {row}: {error!r}") from error
    yield _complete(case)


def _complete(case: Case) -> Case:
    """A case that forgets to say what comes out would pass whatever happens."""
    if case.counts is None or not case.gives:
        raise ValueError(f"case {case.name}: needs `gives` with outputs or `nothing`, and `counts`")
    case.gives = [] if case.gives == [["nothing"]] else case.gives
    return case


def _take(case: Case, cells: list[str]) -> None:
    if cells[0] == "policy":
        case.policy = policy_of("of the case", cells[1:])
    elif cells[0] == "until":
        case.until = instant(cells[1])
    else:
        number = len(case.log) + 1
        for cell in cells:
            if cell.startswith("appended "):
                case.appended[number] = instant(cell.removeprefix("appended "))
        record = _record(number, *cells)
        validate(record)
        case.log.append((number, record))


def _expect(case: Case, cells: list[str]) -> None:
    if cells[0] == "counts":
        case.counts = {name: int(count) for name, count in map(str.split, cells[1:])}
    else:
        case.gives.append(cells)


def _record(number: int, time: str, journey: str, verb: str, *cells: str) -> object:
    at = instant(time)
    if verb == "clock":
        return Punctuation(at, "live" if "live" in cells else "simulated")
    if verb == "correct":
        return ClockCorrected(at)
    if verb == "live":
        return TimeSourceChanged("live")
    if verb == "policy":
        policy = policy_of(f"of row {number}", list(cells))
        return PolicyChanged(policy.version, policy.to_json(), at)
    said = {"journey_id": journey, "occurred_at": at} | dict(_said(cell) for cell in cells)
    match verb:
        case "touch":
            return Touch(**({"user_id": None, "touchpoint_id": f"t{number}"} | said))
        case "register":
            return Registration(**({"user_id": None} | said))
        case "signal":
            return Signal(**said)
        case "abandon" | "extend":
            return Command(command=verb, **said)
    raise ValueError(f"unknown verb {verb}")


def _said(cell: str) -> tuple[str, object]:
    """Field and value of one cell of an input row."""
    if cell in STATES:
        return "state", cell
    if cell in SIGNALS:
        return "signal", cell
    if cell.startswith("$"):
        return "cost_micros", micros(cell)
    if cell.isupper():
        return "reason", cell
    if cell[0].isdigit():
        return "extend_by_ms", duration(cell)
    name, _, text = cell.partition(" ")
    field_name, read = _NAMES[name]
    return field_name, read(text)


def policy_of(version: str, cells: list[str]) -> Policy:
    """Policy of cells such as `limits.budget 5`, all else as in the default policy."""
    given: dict[str, object] = {"version": version}
    for cell in cells:
        key, _, value = cell.partition(" ")
        part, _, name = key.partition(".")
        given.setdefault(part, {})[name] = json.loads(value, parse_float=str)
    return policy_from_json(json.dumps(given))
