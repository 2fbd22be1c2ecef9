"""The rule against the naive model, which shares no code with it."""

from collections.abc import Iterator
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from journeys.schemas.instants import DAY_MS, HOUR_MS, SECOND_MS
from journeys.schemas.lines import parse_line
from journeys.schemas.money import MICROS
from journeys.schemas.records import (
    REASONS,
    SIGNALS,
    InputRecord,
    JourneyAbandoned,
    JourneyLifecycle,
    JourneyRecord,
    PolicyChanged,
    Punctuation,
)
from journeys.streams.partition.driver import replay_partition, replay_punctuated, replay_unpunctuated
from journeys.streams.partition.effects import Counts, Effects
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import DEFAULT_POLICY, Policy
from tests.fixtures.examples import examples

from . import draft, model
from .line import instant
from .logs import cases, seeded_case
from .policy import DEFAULT_POLICY as MODELS_POLICY
from .replay import is_live, run

# Ids that the model does not make, and fields of Kafka.
_NOT_MODELLED = {"source_topic", "source_partition", "source_offset", "formula_version"}
_LIFECYCLE = ("kind", "journey_id", "started_at", "abandonment_id")


def policy_of(differing: dict[str, Any]) -> Policy:
    """The typed policy of the model's plain one."""

    def units(name: str, unit_ms: int, default_ms: int) -> Decimal:
        return exactly(differing.get(name, default_ms), unit_ms)

    policy: dict[str, Any] = {
        "version": differing.get("version", DEFAULT_POLICY.version),
        "deadlines": {
            "timeout_days": units("timeout_ms", DAY_MS, 14 * DAY_MS),
            "inactivity_hours": units("inactivity_ms", HOUR_MS, 72 * HOUR_MS),
            "max_journey_duration_days": units("max_journey_duration_ms", DAY_MS, 90 * DAY_MS),
            "grace_seconds": units("grace_ms", SECOND_MS, 60_000),
        },
        "cleanup": {"stale_data_days": units("cleanup_ms", DAY_MS, 30 * DAY_MS)},
        "limits": {"conversion_quiet_period_hours": units("conversion_quiet_period_ms", HOUR_MS, 0)},
    }
    if "remembered_ids" in differing:
        policy["duplicates"] = {"remembered": differing["remembered_ids"]}
    if differing.get("budget_micros"):
        policy["limits"]["budget"] = Decimal(differing["budget_micros"]) / MICROS
    if rule := differing.get("fatigue"):
        policy["fatigue"] = {
            "touchpoints": rule["touchpoints"],
            "window_hours": exactly(rule["window_ms"], HOUR_MS),
        }
    if rule := differing.get("extension"):
        policy["extension"] = {
            "touchpoints": rule["touchpoints"],
            "extend_by_days": exactly(rule["extend_by_ms"], DAY_MS),
        }
    return Policy.model_validate(policy)


def exactly(milliseconds: int, unit_ms: int) -> Decimal:
    """Units whose floor in milliseconds is the given number."""
    step = Decimal("0.0000000001")
    units = (Decimal(milliseconds) / unit_ms).quantize(step)
    return units if int(units * unit_ms) == milliseconds else units + step


def record_of(line: dict[str, Any]) -> InputRecord:
    """The record that a line stands for."""
    if line.get("time_source"):
        return Punctuation(instant(line["at"]), line["time_source"])
    if line.get("kind") == "policy":
        policy = policy_of(line["policy"])
        return PolicyChanged(policy.version, policy.to_json(), line["occurred_at"])
    return parse_line(line)


def replayed(
    lines: list[dict[str, Any]], policy: Policy | None, until: int | None
) -> tuple[list[JourneyAbandoned], list[JourneyLifecycle], Counts]:
    """What the driver gives for the lines."""
    numbered = [(number, record_of(line)) for number, line in enumerate(lines, start=1)]
    punctuated = any(isinstance(record, Punctuation) for _, record in numbered)
    replay = _replay_live(lines) if is_live(lines) else replay_punctuated if punctuated else replay_unpunctuated
    abandonments: list[JourneyAbandoned] = []
    lifecycle: list[JourneyLifecycle] = []
    counts = Counts()
    for effects in replay(numbered, policy=policy, until=until):
        assert len(effects.dead_letters) == effects.counts.dead
        abandonments += effects.abandonments
        lifecycle += effects.lifecycle
        counts.add(effects.counts)
    return abandonments, lifecycle, counts


def _replay_live(lines: list[dict[str, Any]]) -> Any:
    """A replay of these lines as a live partition's log, where the lines of the time have the append time they say."""

    def replay(numbered: list[tuple[int, InputRecord]], policy: Policy | None, until: int | None) -> Iterator[Effects]:
        entries = [
            Entry(
                number,
                record.journey_id.encode() if isinstance(record, JourneyRecord) else None,
                line.get("append_time"),
                record,
            )
            for (number, record), line in zip(numbered, lines, strict=True)
        ]
        return replay_partition(entries, Partition(policy=policy), until=until, provenance=False)

    return replay


def compare(differing: dict[str, Any] | None, lines: list[dict[str, Any]], until: int | None) -> None:
    """Assert that both say the same, in the same order, field by field."""
    expected = run(lines, policy=differing, until=until)
    policy = None if differing is None else policy_of(differing)
    abandonments, lifecycle, counts = replayed(lines, policy, until)
    said = [
        {name: value for name, value in record._asdict().items() if name not in _NOT_MODELLED and name in row}
        for record, row in zip(abandonments, expected.abandonments, strict=False)
    ]
    wanted = [
        {name: row[name] for name in JourneyAbandoned._fields if name in row and name not in _NOT_MODELLED}
        for row in expected.abandonments
    ]
    assert said == wanted
    assert len(abandonments) == len(expected.abandonments)
    # Order is promised for each journey, not between them.
    by_journey = itemgetter("journey_id")
    assert [
        tuple(row[name] for name in _LIFECYCLE)
        for row in sorted((record._asdict() for record in lifecycle), key=by_journey)
    ] == [tuple(row[name] for name in _LIFECYCLE) for row in sorted(expected.lifecycle, key=by_journey)]
    assert {name: getattr(counts, name) for name in expected.counts} == expected.counts


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_rule_equals_the_model(case: Any) -> None:
    """Deadlines, ties, ends, returns, late records, duplicates, extensions, cleanup, with and without punctuations."""
    compare(*case)


@pytest.mark.slow
@settings(max_examples=examples(2000), deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_rule_equals_the_model_on_thousands_of_cases(case: Any) -> None:
    """The same, longer."""
    compare(*case)


@pytest.mark.parametrize("punctuations", [False, True], ids=["made punctuations", "own punctuations"])
def test_rule_equals_the_model_on_seeded_cases(punctuations: bool) -> None:
    """Cases by seed reach far corners (the cap, cleanup, returns) evenly, where hypothesis prefers small ones."""
    for seed in range(examples(500)):
        case = seeded_case(seed, punctuations=punctuations)
        try:
            compare(*case)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, punctuations {punctuations}") from error


def test_the_default_policy_is_the_models() -> None:
    """Without a difference both have the constants of the design."""
    assert policy_of({}) == DEFAULT_POLICY


def test_the_model_knows_every_reason_and_signal() -> None:
    """And its random logs have them."""
    assert model.SIGNAL_REASONS == SIGNALS
    assert set(MODELS_POLICY["reason_multipliers"]) == set(draft.REASONS) == set(REASONS)
    assert set(draft.KINDS) >= set(SIGNALS)
