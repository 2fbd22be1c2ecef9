"""The rule as a table of cases: each log through the driver, all that comes out compared."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from journeys.schemas.identity import abandonment_id
from journeys.schemas.instants import DAY_MS
from journeys.schemas.records import REASONS, SIGNALS, JourneyAbandoned, JourneyRecord, Punctuation, TimeSourceChanged
from journeys.streams.partition.driver import replay_partition, replay_punctuated, replay_unpunctuated
from journeys.streams.partition.effects import Counts
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.state import Partition

from .notation import cases_of, day, duration, instant, micros

FILES = sorted(Path(__file__).parent.glob("*.txt"))
CASES = [pytest.param(case, id=f"{path.stem}: {case.name}") for path in FILES for case in cases_of(path)]


def yes_or_no(text):
    """The boolean of a word."""
    return {"yes": True, "no": False}[text]


def same_day(text):
    """An instant as `day` writes it, so that a failure reads like its case."""
    return day(instant(text))


# The names of output cells, the fields that they stand for, and how their values are read.
FIELDS = {
    "started": ("started_at", same_day),
    "last": ("last_touchpoint_at", same_day),
    "detected": ("detected_at", same_day),
    "timeout": ("timeout_deadline_at", same_day),
    "days": ("days_active", int),
    "touchpoints": ("touchpoint_count", int),
    "state": ("state", str),
    "user": ("user_id", str),
    "spent": ("total_cost_micros", micros),
    "penalty": ("penalty_amount_micros", micros),
    "opportunity": ("opportunity_cost_micros", micros),
    "total": ("total_penalty_micros", micros),
    "probability": ("conversion_probability", float),
    "value": ("conversion_value_micros", micros),
    "weight": ("state_weight", float),
    "multiplier": ("reason_multiplier", float),
    "terminated": ("terminated", yes_or_no),
    "truncated": ("truncated", yes_or_no),
    "at-once": ("converts_at_once", yes_or_no),
    "by-days": ("extended_by_ms", duration),
    "reason": ("abandonment_reason", str),
    "id": ("touchpoint_id", str),
    "cost": ("cost_micros", micros),
    "refused": ("refused_kind", str),
    "because": ("refusal", str),
    "command": ("command_id", str),
    "by": ("requested_by", str),
    "note": ("note", str),
    "action": ("action_id", str),
    "acting": ("touchpoint_policy_version", str),
    "propensity": ("propensity", float),
    "policy": ("policy_version", str),
}


def expected(cells):
    """Fields that an output row names, its time as `at`."""
    time, journey_id, kind, *said = cells
    fields = {"row": f"{same_day(time)}  {journey_id}  {kind}"}
    for cell in said:
        name, _, text = cell.partition(" ")
        if cell in REASONS:
            fields["abandonment_reason"] = cell
        elif name == "of":  # the abandonment, by the begin of its episode
            fields["abandonment_id"] = None if text == "none" else abandonment_id(journey_id, instant(text))
        else:
            field, read = FIELDS[name]
            fields[field] = read(text) if text != "none" else "none" if read is same_day else None
    return fields


def shown(record):
    """Fields of an output, named as `expected` names them."""
    fields = {field: day(value) if field.endswith("_at") else value for field, value in record._asdict().items()}
    if isinstance(record, JourneyAbandoned):
        assert record.abandonment_id == abandonment_id(record.journey_id, record.started_at)
        return fields | {"row": f"{day(record.abandoned_at)}  {record.journey_id}  abandoned"}
    return fields | {"row": f"{day(record.occurred_at)}  {record.journey_id}  {record.kind}"}


def replayed(case):
    """Effects of a case's log, replayed as what it is: a live partition's log, or a file with time or without."""
    clocks = {record.time_source for _, record in case.log if isinstance(record, Punctuation)}
    becomes_live = any(isinstance(record, TimeSourceChanged) for _, record in case.log)
    if "live" not in clocks and not becomes_live:
        replay = replay_punctuated if clocks else replay_unpunctuated
        until = case.until
        if until is None and not clocks:  # when nothing is open any more
            until = max((record.occurred_at for _, record in case.log), default=0) + 91 * DAY_MS
        return replay(case.log, policy=case.policy, until=until)
    entries = [
        Entry(number, record.journey_id.encode() if isinstance(record, JourneyRecord) else None, appended, record)
        for number, record in case.log
        for appended in [case.appended.get(number)]
    ]
    return replay_partition(entries, Partition(policy=case.policy), until=case.until, provenance=False)


@pytest.mark.parametrize("case", CASES)
def test_case(case):
    """Every output is named by its row, in order, and every record is accounted for."""
    outputs, counts, dead = [], Counts(), []
    for effects in replayed(case):
        outputs += [shown(record) for record in (*effects.abandonments, *effects.lifecycle)]
        counts.add(effects.counts)
        dead += [letter.reason for letter in effects.dead_letters]
    wanted = [expected(cells) for cells in case.gives]
    assert [output["row"] for output in outputs] == [fields["row"] for fields in wanted]
    found = [{field: output[field] for field in fields} for output, fields in zip(outputs, wanted, strict=True)]
    assert found == wanted
    assert len(dead) == case.counts.get("dead", 0)
    assert {name: count for name, count in asdict(counts).items() if count} == case.counts
    ids = [output.get("lifecycle_id") or output["abandonment_id"] for output in outputs]
    assert len(ids) == len(set(ids))


def test_every_reason_and_signal_has_a_case():
    """Somebody has said in numbers what each of them comes to."""
    cells = {cell for path in FILES for case in cases_of(path) for row in case.gives for cell in row}
    assert cells.issuperset(REASONS)
    text = "\n".join(path.read_text() for path in FILES)
    assert all(f"  signal  {signal}" in text for signal in SIGNALS)


def test_every_file_of_cases_is_found():
    """The list of files is written down, so that a file that gets lost is missed."""
    assert [path.stem for path in FILES] == [
        "cleanup",
        "clocks",
        "deadlines",
        "duplicates",
        "ends",
        "extensions",
        "late",
        "policies",
        "registrations",
        "returns",
        "rules",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("case a\n  day 0  j1  touch\n", "needs `gives`"),
        ("case a\n  day 0  j1  touch\n  gives\n  nothing\n", "`counts`"),
        ("case a\n  day 0  j1  jump\n  gives\n  nothing\n  counts  applied 1\n", "cases.txt:2: .*unknown verb jump"),
        ("case a\n  day 0 2:00  j1  touch\n", "cases.txt:2: .*no time"),
        ("case a\n  day 0  j1  touch  colour red\n", "cases.txt:2: .*colour"),
        ("case a\n  day 0  j1  touch  $-1\n", "cases.txt:2: .*cost_micros"),
    ],
)
def test_a_case_that_cannot_be_read_is_an_error(tmp_path, text, complaint):
    """A case is never skipped over in silence."""
    path = tmp_path / "cases.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        list(cases_of(path))
