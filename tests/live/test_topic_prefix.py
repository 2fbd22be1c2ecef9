"""Two environments on one Kafka: the same journeys, told apart by the prefix of their topics alone."""

import asyncio
import json

import pytest

from journeys.agents.kafka.connection import admin
from journeys.agents.kafka.group_members import members
from journeys.agents.kafka.topic_setup import check_topics, create_topics
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.table_check import check_table
from tests.fixtures.fresh_kafka import delete_topics, emptied
from tests.fixtures.topic_contents import DAY, HOUR, punctuation, touch

from .topic_exchange import append, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_two_environments_share_a_kafka(broker, workers, cli, monkeypatch):
    """Workers, commands and groups of each see its own topics; ids are those of the log, whatever it is called."""
    plain = emptied(broker)
    staging = plain.model_copy(update={"topic_prefix": "staging."})
    delete_topics(staging)
    before = asyncio.run(names_there(plain))
    asyncio.run(create_topics(staging))
    started = [workers.start(plain), workers.start(staging, topic_prefix="staging.")]
    for worker in started:
        worker.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    assert [len(asyncio.run(members(one))) for one in (plain, staging)] == [1, 1]
    names = [f"journey-{number}" for number in range(20)]
    for settings, some in ((plain, names[:12]), (staging, names)):
        append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in some), punctuation(40 * DAY))
    for settings in (plain, staging):
        workers.wait_until_applied(settings)
    for worker in started:
        worker.stop()
    found = [{one.abandonment_id: one.source_topic for one in published(each)} for each in (plain, staging)]
    assert [len(one) for one in found] == [12, 20]
    assert found[0].items() <= found[1].items(), "the same ids, and the topic's name without the prefix"
    for settings in (plain, staging):
        verified(settings)
        assert asyncio.run(check_table(settings)).ok
        assert asyncio.run(check_topics(settings)) == []

    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    for prefix, count in (("", 12), ("staging.", 20)):
        monkeypatch.setenv("JOURNEYS_TOPIC_PREFIX", prefix)
        report = json.loads(cli("verify", "--json").stdout)
        assert (report["ok"], report["topics"][0]["equal"]) == (True, count)
        assert cli("topics", "check").exit_code == 0
        shown = json.loads(cli("show", "journey-19", "--json").stdout)
        assert len(shown["abandonments"]) == (1 if prefix else 0)
    assert asyncio.run(names_there(plain)) - before == {topic.name for topic in staging.topics}
    delete_topics(staging)


async def names_there(settings: Settings) -> set[str]:
    """Names of the topics that Kafka has, its own left out."""
    async with admin(settings) as client:
        return {name for name in await client.list_topics() if not name.startswith("__")}
