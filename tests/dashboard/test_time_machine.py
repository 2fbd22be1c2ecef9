"""What the page says of a journey under a policy is what a replay of the whole log says."""

import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from journeys.agents.dashboard.file_source import index_files
from journeys.agents.dashboard.journey_index import JourneyIndex
from journeys.agents.history.open_history import open_history
from journeys.agents.history.repeats import remembering_most
from journeys.analytics.journey_trace import trace
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.lines import parse_line
from journeys.schemas.records import JourneyRecord
from journeys.streams.partition.driver import replay_punctuated, replay_unpunctuated
from journeys.streams.partition.effects import Effects
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy, policy_of_tables
from tests.fixtures.examples import examples
from tests.naive.logs import seeded_case
from tests.naive.test_rule import policy_of


def hours(number: int) -> Policy:
    """A policy with another inactivity threshold."""
    return policy_of_tables({"version": f"{number}h", "deadlines": {"inactivity_hours": number}})


OTHERS = (
    hours(1),
    hours(24),
    hours(24 * 30),
    policy_of_tables({"version": "short", "deadlines": {"timeout_days": 2}}),
    policy_of_tables(
        {
            "version": "by state",
            "deadlines": {"by": [{"name": "late", "state": ["INTENT"], "inactivity_hours": 200}]},
            "extension": {"touchpoints": 1, "extend_by_days": 3},
            "fatigue": {"touchpoints": 3, "window_hours": 5},
        }
    ),
)


def said_of_each(effects: Iterable[Effects]) -> dict[str, list[Any]]:
    """Abandonments in every field, and what else was published, of each journey in its order."""
    said: dict[str, list[Any]] = defaultdict(list)
    for each in effects:
        for one in each.abandonments:
            said[one.journey_id].append(one)
        for told in each.lifecycle:
            said[told.journey_id].append(told._replace(lifecycle_id=""))
    return {journey: sorted(records, key=repr) for journey, records in said.items()}


def records_of(lines: list[dict[str, Any]]) -> list[Any]:
    """Records with the numbers of their lines; some lines are not allowed."""
    numbered: list[Any] = []
    for number, line in enumerate(lines, start=1):
        with suppress(InvalidRecordError):
            numbered.append((number, parse_line(line)))
    return numbered


def indexed(path: Path, policy: Policy | None = None) -> JourneyIndex:
    """The index of a file."""
    index = JourneyIndex()
    with open_history([str(path)]) as file:
        index_files(file, policy, index)
    return index


@pytest.mark.parametrize("punctuated", [True, False], ids=["punctuated", "plain"])
def test_a_journey_under_any_policy_is_as_in_a_replay_of_all(tmp_path, punctuated):
    """Random journeys, with signals, commands, late records, corrected clocks; six policies."""
    journeys = ends = seed = 0
    while journeys < examples(300):
        seed += 1
        given, lines, _ = seeded_case(seed, punctuations=punctuated)
        if punctuated and any(line.get("time_source") == "live" for line in lines):
            continue  # lines have no append time
        policy = None if given is None else policy_of(given)
        path = tmp_path / f"{seed}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        numbered = records_of(lines)
        index = indexed(path, policy)
        driver: Any = replay_punctuated if punctuated else replay_unpunctuated
        for other in (None, *OTHERS):
            used = other or policy
            if not punctuated:
                used = remembering_most(used)
            expected = said_of_each(driver(numbered, policy=used))
            for name in {record.journey_id for _, record in numbered if isinstance(record, JourneyRecord)}:
                log = index.log_of(name)
                assert log is not None
                found = trace(log, used if other else None)
                said: list[Any] = list(found.abandonments)
                said += [one._replace(lifecycle_id="") for step in found.steps for one in step.lifecycle]
                assert sorted(said, key=repr) == expected.get(name, []), (seed, name, used)
                journeys += other is None
                ends += len(found.abandonments)
        index.close()
    assert ends > journeys
    assert DEFAULT_POLICY not in OTHERS
