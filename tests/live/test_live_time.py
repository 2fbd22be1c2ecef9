"""On a live topic the worker writes time by itself, where there is something to wait for, and nowhere else."""

import asyncio

import pytest

from journeys.agents.history.importer import ImportOptions, TopicIsLiveError, import_history
from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.records import JourneyRegistered, PolicyChanged, Punctuation, Touchpoint
from journeys.streams.rule.policy import Policy
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, START_AT, home, touch

from .topic_exchange import append, inputs, policy_changed, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

POLICY = Policy(version="impatient", deadlines={"grace_seconds": 0})
QUICK = {"punctuation_interval_seconds": 0.2}
EMPTY = 3


def journeys_outside(partition: int, count: int) -> list[str]:
    """Names of journeys of all partitions but one."""
    names = (f"journey-{number}" for number in range(10 * count))
    return [name for name in names if home(name) != partition][:count]


def punctuations(settings: Settings) -> dict[int, list[Punctuation]]:
    """The punctuations of each partition."""
    return {
        partition: [record for record in records if isinstance(record, Punctuation)]
        for partition, records in inputs(settings).items()
    }


def test_journeys_are_abandoned_at_their_deadline_by_the_workers_own_punctuations(broker, workers):
    """Timeouts of 0.3 to 2 s: abandoned exactly then, detected then or later; the empty partition stays empty."""
    settings = emptied(broker, **QUICK)
    workers.start(settings).wait_until_logged("restored: partitions [0, 1, 2, 3]")
    names = journeys_outside(EMPTY, 24)
    began_at = now_ms()
    timeouts = {name: 300 + 75 * number for number, name in enumerate(names)}
    append(
        settings,
        policy_changed(POLICY),
        *(JourneyRegistered(name, None, began_at, timeout_ms=timeout) for name, timeout in timeouts.items()),
    )
    workers.wait_until(lambda: len(published(settings)) >= len(names), "not all journeys were abandoned")

    found = published(settings)
    assert {abandoned.journey_id: abandoned.abandoned_at - began_at for abandoned in found} == timeouts
    assert {abandoned.abandonment_reason for abandoned in found} == {"TIMEOUT"}
    now = now_ms()
    assert all(abandoned.abandoned_at <= abandoned.detected_at <= now for abandoned in found)
    written = punctuations(settings)
    # Each was detected at a punctuation of its own partition, and not one of these is in vain.
    assert {(home(abandoned.journey_id), abandoned.detected_at) for abandoned in found} <= {
        (partition, record.at) for partition, records in written.items() for record in records
    }
    assert all({record.time_source for record in written[partition]} == {"live"} for partition in range(EMPTY))
    # Asked as often as the others, the partition without journeys has none, though a policy is in it.
    assert written[EMPTY] == []
    assert [type(record) for record in inputs(settings)[EMPTY]] == [PolicyChanged]
    verified(settings)

    with pytest.raises(TopicIsLiveError, match=r"keeps live time \(its first punctuation is of worker-1\)"):
        asyncio.run(import_history(settings, [(1, touch("a", 1, 0))]))


def test_a_journey_that_is_overdue_when_it_arrives_waits_for_no_minute(broker, workers):
    """Its deadline lies before the clock: the next look of the worker punctuates, not the minute's."""
    settings = emptied(broker, **QUICK)
    workers.start(settings)
    first, second = [name for name in journeys_outside(EMPTY, 60) if home(name) == 0][:2]
    append(settings, Touchpoint(first, None, "1", now_ms()))
    workers.wait_until(lambda: len(punctuations(settings)[0]) == 1, "nobody punctuated")
    clock = punctuations(settings)[0][0].at
    sent_at = now_ms()
    append(settings, Touchpoint(second, None, "1", clock - 4 * DAY))
    workers.wait_until(lambda: len(published(settings)) == 1, "the overdue journey was not abandoned", seconds=50)
    (abandoned,) = published(settings)
    assert (abandoned.journey_id, abandoned.abandoned_at) == (second, clock - DAY)
    assert sent_at <= abandoned.detected_at < clock + 60_000
    assert [len(records) for records in inputs(settings).values()][1:] == [0, 0, 0], "an empty partition stays empty"
    verified(settings)


def test_a_worker_makes_no_topic_live_by_itself(broker, workers, tmp_path):
    """Waiting at an empty topic, with a policy of its own, it leaves the time to whoever comes first: an import."""
    settings = emptied(broker, **QUICK)
    (tmp_path / "own.toml").write_text('version = "own"\n[deadlines]\ntimeout_days = 7\n')
    workers.start(settings, policy=tmp_path / "own.toml")
    workers.wait_until(lambda: all(inputs(settings).values()), "the policy was not brought")
    workers.wait_until_applied(settings)
    asyncio.run(import_history(settings, [(1, touch("a", 1, 0))], ImportOptions(until=START_AT + 4 * DAY)))
    workers.wait_until_applied(settings)
    (abandoned,) = published(settings)
    assert (abandoned.policy_version, abandoned.abandonment_reason) == ("own", "INACTIVITY")
    assert {record.time_source for records in punctuations(settings).values() for record in records} == {"simulated"}
    report, _ = verified(settings)
    assert report.counts.policies == 4
