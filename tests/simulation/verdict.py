"""The verdict on a run: what its workers published and stored, beside what one that never stops does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from journeys.schemas.marks import Marks
from journeys.schemas.records import DeadLetter, JourneyAbandoned, JourneyLifecycle
from journeys.streams.partition.entry import Entry
from tests.properties.logs import seeded_log
from tests.properties.outcome import CODEC, remembered, restored, run
from tests.simulation.marks import as_read, marks_in, with_marks
from tests.simulation.topics import Topics

# A log costs as much as its run: each is run under several courses of events.
RUNS_OF_A_LOG: Final = 5
_MARKED_LOGS: Final = 4
"""Every fourth log has marks."""


@dataclass
class Verdict:
    """What a run did, and what is wrong with what it left."""

    seed: int
    crashes: int = 0
    wakings: int = 0
    zombie_steps: int = 0
    duplicates: int = 0
    problems: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Expected:
    """What an uninterrupted run leaves: values of outputs by id, ids by topic and journey in order, and the table."""

    log: Sequence[Entry]
    foreign: dict[int, int]
    lags: dict[int, int | None]
    outputs: dict[str, set[bytes]]
    order: dict[tuple[str, str], list[str]]
    table: dict[str, Any]


def expected(seed: int) -> Expected:
    """Return what the log of a seed comes to where nothing stops; some seeds in a row share a log."""
    return _expected(seed // RUNS_OF_A_LOG)


@lru_cache(maxsize=4)
def _expected(log_seed: int) -> Expected:
    log: Sequence[Entry] = seeded_log(log_seed)
    if log_seed % _MARKED_LOGS:
        return _replayed(log, {}, {})
    return _replayed(*with_marks(log, log_seed))


def _replayed(log: Sequence[Entry], foreign: dict[int, int], lags: dict[int, int | None]) -> Expected:
    """What a log comes to, read as its own marks say."""
    marks = Marks(marks_in(log))
    outcome = run([[as_read(entry, foreign, marks) for entry in log]])
    values = [(topic, value) for topic, published in outcome.wire.items() for value in published]
    return Expected(log, foreign, lags, *_published(values)[:2], _table(outcome.changelog))


def judge(topics: Topics, verdict: Verdict, whole: Expected) -> None:
    """Add to the verdict what differs from the uninterrupted run."""
    if len(topics.input) > len(whole.log):  # workers have written marks, and what they say counts
        whole = _replayed(topics.input, whole.foreign, whole.lags)
    outputs, order, count = _published((message.topic, message.value) for message in topics.outputs)
    verdict.duplicates += count - len(outputs)
    problems = verdict.problems
    problems += [
        f"one id for two: {' and '.join(str(CODEC.decode(value)) for value in sorted(values))}"
        for values in whole.outputs.values()
        if len(values) > 1
    ]
    problems += [f"lost: {whole.outputs[name]}" for name in whole.outputs.keys() - outputs.keys()]
    problems += [f"extra: {outputs[name]}" for name in outputs.keys() - whole.outputs.keys()]
    for name in outputs.keys() & whole.outputs.keys():
        if outputs[name] != whole.outputs[name]:
            said = " or ".join(str(CODEC.decode(value)) for value in sorted(outputs[name] ^ whole.outputs[name]))
            problems.append(f"different: {said}")
    if not problems and order != whole.order:
        problems.append(f"order: {order} in place of {whole.order}")
    table = _table(topics.stored())
    problems += [
        f"stored {name}: {table[name]} in place of {value}"
        for name, value in whole.table.items()
        if table[name] != value
    ]


def _published(
    values: Iterable[tuple[str, bytes]],
) -> tuple[dict[str, set[bytes]], dict[tuple[str, str], list[str]], int]:
    """Values by id, ids by topic and journey in the order of their first appearance, and how many there were."""
    outputs: dict[str, set[bytes]] = defaultdict(set)
    order: dict[tuple[str, str], list[str]] = defaultdict(list)
    known: dict[bytes, str] = {}
    count = 0
    for topic, value in values:
        count += 1
        if value in known:
            continue
        record = CODEC.decode(value)
        known[value] = name = _id(record)
        if name not in outputs:
            order[topic, getattr(record, "journey_id", "")].append(name)
        outputs[name].add(value)
    return outputs, order, count


def _id(record: JourneyAbandoned | JourneyLifecycle | DeadLetter) -> str:
    if isinstance(record, JourneyAbandoned):
        return record.abandonment_id
    if isinstance(record, JourneyLifecycle):
        return record.lifecycle_id
    return f"{record.topic}:{record.partition}:{record.offset}"


def _table(changelog: Iterable[Any]) -> dict[str, Any]:
    partition, _ = restored(changelog)
    return {
        "partition row": partition.row()._replace(topic_ids=None),
        "policies": partition.policies,
        "marks": partition.marks.by_offset,
        "rows": remembered(partition),
    }
