"""A feed's checkpoint of a topic that was deleted and created again: its offsets mean nothing in the new one."""

import asyncio

import pytest

from journeys.agents.kafka.topic_setup import create_topics
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import delete_one_topic, emptied
from training_orchestrator import AbandonmentFeed
from training_orchestrator.feed.feed_checkpoint import BadCheckpointError

from .store_of_journeys import fill
from .stored import outputs
from .test_feed_killed import publish

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def make_anew(settings, topic):
    """Delete a topic and create it empty, under the same name."""
    await delete_one_topic(settings, topic)
    await create_topics(settings)


@pytest.mark.parametrize("topic", [JOURNEY_ABANDONMENTS, JOURNEY_LIFECYCLE])
def test_a_checkpoint_of_a_recreated_output_topic_is_refused(broker, tmp_path, topic):
    """Read on at the old offsets, it would leave out the first records of the new topic without a word."""
    settings = emptied(broker)
    store = tmp_path / "journeys.sqlite3"
    asyncio.run(fill(store, 10))
    asyncio.run(publish(settings, outputs(store)))
    with AbandonmentFeed.from_kafka(settings.bootstrap_servers, follow=False) as feed:
        assert len(list(feed)) > 10
        checkpoint = feed.checkpoint()
    with AbandonmentFeed.from_kafka(settings.bootstrap_servers, follow=False, start=checkpoint) as feed:
        assert list(feed) == []
        checkpoint = feed.checkpoint()
    asyncio.run(make_anew(settings, topic))
    # More than before, so that the old offsets lie within the new topic.
    asyncio.run(publish(settings, outputs(store) * 2))
    with pytest.raises(BadCheckpointError, match=f"{topic} is another topic.*start="):
        AbandonmentFeed.from_kafka(settings.bootstrap_servers, follow=False, start=checkpoint).__enter__()
