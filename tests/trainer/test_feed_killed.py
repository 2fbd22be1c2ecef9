"""A trainer killed and restored from its checkpoint 20 times: every abandonment counts once in its reward."""

import asyncio
import json
import random
from multiprocessing import get_context
from time import sleep

import pytest

from journeys.agents.kafka.connection import producer
from journeys.schemas.codec import Codec
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import JourneyAbandoned
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import emptied

from .killed_learner import learn
from .store_of_journeys import fill
from .stored import outputs

pytestmark = pytest.mark.slow
KILLS = 20
COUNT = 3_000


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Give a store of 3,000 abandonments and 600 returns."""
    path = tmp_path_factory.mktemp("store") / "journeys.sqlite3"
    asyncio.run(fill(path, COUNT))
    return path


def killed_and_restored(origin, model, pause):
    """Kill the trainer 20 times, let it end once, and give its model."""
    context = get_context("forkserver")
    context.set_forkserver_preload(
        ["journeys.agents.settings.settings", "training_orchestrator.sources.topic_source", "asyncio"]
    )
    chance = random.Random(3)
    kills = 0
    while kills < KILLS:
        process = context.Process(target=learn, args=(origin, str(model), pause))
        process.start()
        before = model.stat().st_mtime_ns if model.exists() else 0
        # Every other one gets as far as a checkpoint of its own; all are killed at whatever they do then.
        while kills % 2 and process.is_alive() and (not model.exists() or model.stat().st_mtime_ns == before):
            sleep(0.005)
        sleep(chance.uniform(0, 0.1))
        assert process.is_alive(), "the trainer came to its end before it was killed: give it more to learn"
        process.kill()
        process.join()
        kills += 1
    process = context.Process(target=learn, args=(origin, str(model), 0))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    return json.loads(model.read_text())


def expected(store):
    """Items and sum of net rewards of the stored outputs, computed without a feed."""
    records = outputs(store)
    abandoned = [each for each in records if isinstance(each, JourneyAbandoned)]
    lifecycle = [each for each in records if not isinstance(each, JourneyAbandoned)]
    sold = [each for each in lifecycle if each.kind == "converted"]
    items = {f"abandonment {each.abandonment_id}" for each in abandoned}
    items |= {f"correction {each.abandonment_id}" for each in lifecycle if each.kind == "returned"}
    items |= {f"conversion {each.lifecycle_id}" for each in sold}
    spend = sum(each.total_cost_micros for each in [*abandoned, *sold])
    return items, sum(each.conversion_value_micros or 0 for each in sold) - spend


def test_20_kills_of_a_trainer_on_a_store(store, tmp_path):
    """Each item once, and the sum to the micro."""
    model = killed_and_restored(str(store), tmp_path / "model.json", 0.05)
    items, micros = expected(store)
    assert len(items) == COUNT + COUNT // 5 + COUNT // 10
    assert model["seen"] == dict.fromkeys(items, 1)
    assert model["micros"] == micros


@pytest.mark.broker
def test_20_kills_of_a_trainer_on_kafka(broker, store, tmp_path):
    """The same from the topics, in which every third message is duplicated."""
    settings = emptied(broker)
    asyncio.run(publish(settings, outputs(store)))
    model = killed_and_restored(settings.bootstrap_servers, tmp_path / "model.json", 0.05)
    items, micros = expected(store)
    assert model["seen"] == dict.fromkeys(items, 1)
    assert model["micros"] == micros


async def publish(settings, records):
    """Publish outputs as a worker does that crashed: in batches, some of them again."""
    codec = Codec()
    async with producer(settings) as client:
        for number, record in enumerate(records):
            topic = JOURNEY_ABANDONMENTS if isinstance(record, JourneyAbandoned) else JOURNEY_LIFECYCLE
            key = record.journey_id.encode()
            for _ in range(2 if number % 3 == 0 else 1):
                await client.send(topic, codec.encode(record), key, partition_of(key, 4))
        await client.flush()
