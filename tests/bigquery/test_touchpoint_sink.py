"""Touchpoints of the input topic in their table, for who wants to know where journeys were lost."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from journeys.agents.bigquery.deployment import apply
from journeys.schemas.records import JourneyRegistered
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_EVENTS
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import START_AT, Raw, home, punctuation, touch, write
from tests.live.topic_exchange import append

from .group_offsets import message_count
from .rows import abandonment, insert, query
from .sink_process import letters, publish
from .write_proxy import WriteProxy

ROOT = Path(__file__).parent.parent.parent
JOURNEYS = [f"journey-{number}" for number in range(60)]
HOUR = 3_600_000
YEAR = 365 * 24 * HOUR


@pytest.mark.broker
@pytest.mark.slow
def test_touchpoints_reach_their_table_and_nothing_else_does(broker, sinks, bigquery_client, house):
    """Between punctuations and what a worker refuses, after a kill, an outage and a refusal; each shows once."""
    settings = emptied(broker)
    apply(bigquery_client, house)
    known = len(letters(settings))
    first = [touch(name, 1, HOUR, channel="search") for name in JOURNEYS]
    second = [touch(name, 2, 2 * HOUR, channel="email") for name in JOURNEYS]
    ancient = touch("journey-18", 3, HOUR - 20 * YEAR)
    garbage = Raw(JOURNEY_EVENTS, home("a"), b"a", b"no Avro")
    with WriteProxy(str(house.grpc_endpoint)) as proxy:
        proxy.refused = {b"journey-17\x1a": "Field channel: too long"}
        registered = JourneyRegistered(JOURNEYS[0], None, START_AT)
        append(settings, punctuation(0), registered, *first, ancient, punctuation(HOUR))
        sink = sinks(settings, house._replace(grpc_endpoint=proxy.endpoint), "--table", "journey_touchpoints")
        sink.start()
        # Written, and not known to be: they come twice.
        proxy.loses_answers = 1
        total = message_count(settings, JOURNEY_EVENTS)
        sink.wait_until(lambda: sink.committed(JOURNEY_EVENTS) >= total, "touchpoints are missing")
        sink.kill()
        append(settings, *second)
        asyncio.run(write(settings, [garbage]))
        publish(settings, [abandonment(1)])
        sink.start()
        total = message_count(settings, JOURNEY_EVENTS)
        sink.wait_until(lambda: sink.committed(JOURNEY_EVENTS) >= total, "touchpoints are missing")
        sink.stop()
    assert sink.committed(JOURNEY_ABANDONMENTS) == 0, "only one table was asked for"
    kept = [one for one in (*first, *second) if one.journey_id != "journey-17"]
    shown = query(
        bigquery_client, house, "SELECT DISTINCT journey_id, touchpoint_id, channel FROM `{d}.journey_touchpoints`"
    )
    assert sorted(shown) == sorted((one.journey_id, one.touchpoint_id, one.channel) for one in kept)
    ((raw,),) = query(bigquery_client, house, "SELECT COUNT(*) FROM `{d}.journey_touchpoints`")
    assert raw > len(kept), "an answer was lost, so its rows came twice"
    told = letters(settings)[known:]
    assert {letter["topic"] for letter in told} == {JOURNEY_EVENTS}
    assert {letter["reason"].partition(" is not")[0] for letter in told} == {
        "Field channel: too long",
        f"occurred_at: {ancient.occurred_at}",
    }
    ended = [
        abandonment(number, journey_id=one.journey_id, last_touchpoint_at=one.occurred_at)
        for number, one in enumerate([*first[:5], *second[5:10]])
    ]
    insert(bigquery_client, house, "journey_abandonments", *ended, ended[0])
    assert query(bigquery_client, house, "SELECT channel, COUNT(*) FROM `{d}.last_touches` GROUP BY 1 ORDER BY 1") == [
        ("email", 5),
        ("search", 5),
    ]


@pytest.mark.broker
@pytest.mark.slow
def test_a_sink_without_its_table_ends_and_says_what_makes_it(broker, sinks, bigquery_client, house):
    """It does not wait for what nobody is about to do."""
    settings = emptied(broker)
    bigquery_client.create_dataset(house.dataset)
    append(settings, touch("a", 1, HOUR))
    sink = sinks(settings, house, "--table", "journey_touchpoints")
    sink.start()
    assert sink.exit_code() == 2
    assert "journey_touchpoints takes no rows" in sink.log_path.read_text().splitlines()[-1]
    assert sink.log_path.read_text().splitlines()[-1].endswith("journeys bigquery apply")


def test_an_unknown_table_is_wrong_usage():
    """It says which there are."""
    done = subprocess.run(
        [sys.executable, "-m", "journeys.cli", "sink", "bigquery", "--table", "touchpoints"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "touchpoints is no table" in done.stderr
    assert "journey_touchpoints" in done.stderr
