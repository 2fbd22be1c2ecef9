"""`journeys topics live`: from imported history to live traffic on one set of topics."""

import asyncio
import json

import pytest

from journeys.agents.history.importer import import_history
from journeys.clock import now_ms
from journeys.schemas.instants import format_instant
from journeys.schemas.records import Punctuation, TimeSourceChanged
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import DAY, HOUR, START_AT, produce, read_inputs, touch

from .json_keys import checked

pytestmark = pytest.mark.broker
NAMES = [f"j-{number}" for number in range(8)]


@pytest.fixture
def history(broker, cli, monkeypatch):
    """Settings of a Kafka with a history of four days, in which half of the journeys are open."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    settings = emptied(broker)
    lines = [touch(name, 0, 0) for name in NAMES] + [touch(name, 1, 4 * DAY) for name in NAMES[::2]]
    asyncio.run(import_history(settings, enumerate(lines, start=1)))
    return settings


def changes(settings):
    """Changes of the time source in the input topic."""
    inputs = asyncio.run(read_inputs(settings))
    return [record for each in inputs.values() for record in each if isinstance(record, TimeSourceChanged)]


def live_records(now):
    """A record of each journey now, and the time of a worker."""
    time = Punctuation(now, "live", "worker-1")
    return [time, *(touch(name, 2, now - START_AT) for name in NAMES), time]


def test_row_3_a_topic_becomes_live_once_and_every_reader_goes_over_the_seam(history, cli):
    """Dry, done, said again; what was open ends at its deadline; verify, check and backtest agree."""
    dry = cli("topics", "live", "--dry-run", "--json")
    assert dry.exit_code == 0, dry.output
    clock = format_instant(START_AT + 4 * DAY)
    assert checked("topics live", dry.stdout)["partitions"] == [
        {"partition": number, "time_source": "simulated", "clock": clock} for number in range(4)
    ]
    assert changes(history) == []
    done = cli("topics", "live", "--requested-by", "ann", "--note", "the history is in")
    assert (done.exit_code, "4 partitions became live" in done.stderr) == (0, True), done.output
    assert changes(history) == [TimeSourceChanged("live", "ann", "the history is in")] * 4
    again = cli("topics", "live")
    assert (again.exit_code, "the topic was live already" in again.stderr, len(changes(history))) == (0, True, 4)

    now = now_ms()
    asyncio.run(produce(history, live_records(now)))
    asyncio.run(work_through(history))
    ended = json.loads(cli("show", NAMES[0], "--json").stdout)["abandonments"]
    assert [one["abandoned_at"] for one in ended] == [format_instant(START_AT + day * DAY) for day in (3, 7)]
    verified = json.loads(cli("verify", "--json").stdout)
    assert (verified["ok"], verified["counts"]["late"], verified["counts"]["dead"]) == (True, 0, 0)
    assert json.loads(cli("check", "--json").stdout)["ok"]
    assert "audited_topics_live" in cli("show", "*", "--json").stdout
    backtest = json.loads(cli("backtest", "topic:journey-events", "--json").stdout)
    assert sum(backtest["policies"][0]["abandonments"].values()) == 12


def test_row_3_no_import_follows_live_time(history, cli, tmp_path):
    """What is left of a history is refused, with what to do; nothing of it is in the log."""
    assert cli("topics", "live").exit_code == 0
    path = tmp_path / "more.jsonl"
    path.write_text(json.dumps({"journey_id": "x", "touchpoint_id": "1", "occurred_at": START_AT + 5 * DAY, "cost": 1}))
    refused = cli("import", str(path))
    assert refused.exit_code == 2
    assert "keeps live time (it was made live), so history can't be imported" in refused.stderr
    assert "x" not in str(asyncio.run(read_inputs(history)))


def test_row_3_a_topic_whose_clock_is_ahead_does_not_become_live(history, cli):
    """Live time would stand still until then: nothing is changed."""
    ahead = touch("a", 9, now_ms() + HOUR - START_AT)
    asyncio.run(produce(history, [Punctuation(ahead.occurred_at, "simulated", "test")]))
    refused = cli("topics", "live")
    assert (refused.exit_code, changes(history)) == (2, []), refused.output
    assert "ahead of now" in refused.stderr
    assert "correct-clock --at" in refused.stderr


def test_a_topic_without_time_needs_no_command(broker, cli, monkeypatch):
    """The first worker makes it live."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    settings = emptied(broker)
    refused = cli("topics", "live")
    assert (refused.exit_code, changes(settings)) == (2, []), refused.output
    assert "the first worker makes it live by itself" in refused.stderr
