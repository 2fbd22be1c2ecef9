"""Trainers over TLS, with passwords and certificates: what they may do, and what they are told when they may not."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from journeys.agents.kafka.rights import acl_command
from journeys.agents.kafka.topic_setup import create_topics
from tests.fixtures.fresh_kafka import delete_topics
from tests.live.verified import verified
from training_orchestrator import (
    AbandonmentFeed,
    JourneyTimeoutManager,
    RewardRule,
    StoreUnavailableError,
    TouchpointProducer,
)

from .secure_kafka import ADMIN
from .users import ROLE_RIGHTS, without

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
def become(monkeypatch, tmp_path) -> Callable[..., None]:
    """Give a function that makes somebody's settings those of the environment, and no others."""
    monkeypatch.chdir(tmp_path)

    def put(settings) -> None:
        for name in [name for name in os.environ if name.startswith("JOURNEYS_")]:
            monkeypatch.delenv(name)
        for name in settings.model_fields_set:
            if (value := getattr(settings, name)) is not None:
                monkeypatch.setenv(f"JOURNEYS_{name.upper()}", str(value))

    return put


@pytest.fixture(scope="module")
def empty_topics(kafka):
    """Begin with empty topics of live time."""
    delete_topics(kafka.mutual_tls(ADMIN))
    asyncio.run(create_topics(kafka.mutual_tls(ADMIN)))


async def every_call():
    """Use a manager in every way; gives the penalty of the journey that it ends."""
    async with JourneyTimeoutManager() as manager:
        begin = manager.present() - timedelta(hours=1)
        await manager.register_journey("journey-1", begin, user_id="user-1")
        await manager.record_touchpoint("journey-1", state="INTENT", cost=2)
        await manager.extend_timeout("journey-1", 3)
        await manager.check_timeouts()
        await manager.calculate_abandonment_cost("journey-1")
        penalty = await manager.mark_abandoned("journey-1")
        assert [each.journey_id for each in await manager.abandonments(begin)] == ["journey-1"]
        assert (await manager.metrics()).is_healthy
    return penalty


def test_trainers_do_their_work_with_their_rights_alone(kafka, workers, become):
    """A manager (with a password), a feed and a producer (with certificates), by the settings that a worker takes."""
    operator, trainer, producer = (kafka.mutual_tls(user) for user in ("operator", "trainer", "producer"))
    delete_topics(kafka.mutual_tls(ADMIN))
    asyncio.run(create_topics(kafka.mutual_tls(ADMIN)))
    worker = workers.start(kafka.scram("worker"))
    worker.wait_until_logged("restored: partitions [0, 1, 2, 3]")
    become(kafka.scram("manager"))
    penalty = asyncio.run(every_call())
    become(trainer)
    for start in ("earliest", datetime.now(UTC) - timedelta(hours=1)):
        with AbandonmentFeed.from_kafka(follow=False, start=start, rewards=RewardRule(price="penalty")) as feed:
            assert [(item.journey_id, item.reward) for item in feed] == [("journey-1", -penalty.total)]
    become(producer)
    with TouchpointProducer() as sender:
        sender.send_blocking("journey-2", cost=1)
    workers.wait_until_applied(operator)
    worker.stop()
    verified(operator)


@pytest.mark.parametrize("lacking", ROLE_RIGHTS["manager"], ids=str)
def test_a_manager_that_lacks_one_right_is_told_which(kafka, empty_topics, become, lacking):
    """One sentence with the command that gives it; nothing of the call is booked."""
    user = without("manager", lacking)
    become(kafka.scram(user))
    with pytest.raises(StoreUnavailableError) as refused:
        asyncio.run(cost_of_nobody())
    gives = acl_command([lacking], f"User:{user}", kafka.bootstrap_servers)
    said = f"user {user} may not {lacking.operation} topic {lacking.name}: `{gives}`"
    assert str(refused.value) == said


async def cost_of_nobody():
    """Connect, and read the stored table."""
    async with JourneyTimeoutManager() as manager:
        await manager.calculate_abandonment_cost("nobody")


def test_a_wrong_password_is_told_in_one_line(kafka, become):
    """To a manager as to a feed; the password is not in it."""
    guess = kafka.password[::-1]
    become(kafka.scram("manager").model_copy(update={"sasl_password": guess, "sasl_password_file": None}))
    for use in (cost_of_nobody, read_nothing):
        with pytest.raises(StoreUnavailableError, match="refuses user 'manager' with this password") as refused:
            asyncio.run(use())
        assert guess not in str(refused.value)


async def read_nothing():
    """Open a feed, and read."""
    async with AbandonmentFeed.from_kafka(follow=False) as feed:
        await feed.take(1)
