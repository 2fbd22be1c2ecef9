"""A policy changed in mid-run on a live topic: episodes keep theirs, and replay meets it where live met it."""

from collections import Counter
from time import perf_counter_ns

import pytest

from journeys.clock import now_ms
from journeys.schemas.records import PolicyChanged, Touchpoint
from journeys.schemas.topics import DEAD_LETTERS
from journeys.streams.rule.policy import Policy, policy_from_toml
from tests.fixtures.fresh_kafka import emptied

from .topic_exchange import append, inputs, policy_changed, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

JOURNEYS = 20


def policy_text(version: str, base_rate: str) -> str:
    """Policy under which a journey is abandoned after two seconds of silence."""
    return f"""
version = "{version}"
[deadlines]
inactivity_hours = 0.0006
grace_seconds = 0
[penalty]
base_rate = {base_rate}
"""


def touchpoints(name: str) -> list[Touchpoint]:
    """Make one touchpoint of $10 of each of 20 journeys, now."""
    at = now_ms()
    return [
        Touchpoint(f"{name}-{number}", None, f"{name}-{number}-{perf_counter_ns()}", at, cost_micros=10_000_000)
        for number in range(JOURNEYS)
    ]


def policies(settings) -> dict[int, list[str]]:
    """Versions of the policies of each partition, in the order of the log."""
    return {
        partition: [record.policy_version for record in records if isinstance(record, PolicyChanged)]
        for partition, records in inputs(settings).items()
    }


def test_a_policy_changed_in_mid_run_on_a_live_topic(broker, workers, tmp_path):
    """One policy brought by a worker, one by a person, one by the next worker; verify says 0, 0, 0."""
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    texts = {name: policy_text(name, rate) for name, rate in (("first", "0.1"), ("second", "0.2"), ("third", "0.3"))}
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)

    worker = workers.start(settings, policy=tmp_path / "first.toml")
    workers.wait_until(lambda: all(policies(settings).values()), "the first policy was not brought")
    second = policy_changed(policy_from_toml(texts["second"]))
    append(settings, *touchpoints("first"), second, *touchpoints("second"), *touchpoints("first"))
    workers.wait_until(lambda: len(published(settings)) >= 2 * JOURNEYS, "not all of the first two were abandoned")

    worker.stop()
    append(settings, *touchpoints("backlog"))
    workers.start(settings, policy=tmp_path / "third.toml")
    workers.wait_until(
        lambda: all("third" in versions for versions in policies(settings).values()), "the third was not brought"
    )
    append(settings, *touchpoints("third"))
    workers.wait_until(lambda: len(published(settings)) >= 4 * JOURNEYS, "not all journeys were abandoned")

    # A worker brings its policy once: what a person puts in force later stays in force.
    assert list(policies(settings).values()) == [["first", "second", "third"]] * 4
    report, _ = verified(settings)
    assert report.counts.policies == 12
    # Less than a day of silence costs spend * (base_rate + 0.1) * 0.2 * 0.8.
    assert Counter(
        (found.journey_id.partition("-")[0], found.policy_version, found.touchpoint_count, found.penalty_amount_micros)
        for found in published(settings)
    ) == {
        ("first", "first", 2, 640_000): JOURNEYS,
        ("second", "second", 1, 480_000): JOURNEYS,
        ("backlog", "second", 1, 480_000): JOURNEYS,
        ("third", "third", 1, 640_000): JOURNEYS,
    }


def test_a_worker_refuses_a_policy_whose_version_is_taken(broker, workers, tmp_path):
    """A version names one content for ever: the worker says so and ends, and appends nothing."""
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    taken = Policy(version="spring", deadlines={"timeout_days": 7})
    append(settings, policy_changed(taken))
    (tmp_path / "spring.toml").write_text('version = "spring"\n[deadlines]\ntimeout_days = 9\n')
    worker = workers.start(settings, policy=tmp_path / "spring.toml")
    assert worker.exit_code(60) == 2, worker.told("took it")
    (line,) = [line for line in worker.log.splitlines() if "worker ends" in line]
    assert "knows the policy 'spring' with another content: give this one a version of its own" in line
    assert list(policies(settings).values()) == [["spring"]] * 4
    assert published(settings, DEAD_LETTERS) == []
