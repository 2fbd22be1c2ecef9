"""The policy in Redis: shown, and changed by a record in the log."""

import asyncio
import json
from time import monotonic
from typing import NamedTuple

import pytest
import redis.asyncio

from journeys.schemas.records import JourneyAbandoned
from journeys.streams.rule.policy import DEFAULT_POLICY, policy_from_json
from tests.fixtures.left_out import left_out
from training_orchestrator import JourneyTimeoutManager, TimeoutConfiguration
from training_orchestrator.mirror.mirror_source import KnownPolicies
from training_orchestrator.mirror.wanted_policy import handle_wanted_policy
from training_orchestrator.redis.redis_keys import POLICY, POLICY_ANSWER, POLICY_LOCK, WANTED_POLICY

from .redis_server import PROGRAM
from .store_of_journeys import DAY, ManualClock
from .stored import outputs, replayed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason=left_out("redis")),
]
HASTY = json.dumps({"version": "hasty-1", "deadlines": {"inactivity_hours": "24"}})
_WAIT_SECONDS = 30


async def answered(server, wanted):
    """Request a policy, and wait for the answer."""
    client = server.client()
    client.delete(POLICY_ANSWER)
    client.set(WANTED_POLICY, wanted)
    return await until(lambda: client.get(POLICY_ANSWER))


async def until(look):
    """Wait for something that is there."""
    deadline = monotonic() + _WAIT_SECONDS
    while not (found := await asyncio.to_thread(look)):
        assert monotonic() < deadline, "nothing became of it"
        await asyncio.sleep(0.02)
    return found


async def silent_for_two_days(manager, clock, journey):
    """Begin a journey, and return its reason two days later, None if it has not ended."""
    await manager.register_journey(journey)
    clock.at += 2 * DAY
    return next((each.reason for each in await manager.check_timeouts() if each.journey_id == journey), None)


def test_a_policy_wanted_in_redis_goes_into_the_log_which_decides(server, tmp_path):
    """Episodes that begin after it are under it, also after a restart; a replay gives the same outputs."""
    store, clock = tmp_path / "s.sqlite3", ManualClock()
    client = server.client()

    def manager():
        return JourneyTimeoutManager(store_path=store, now=clock, redis_url=server.url)

    async def run():
        async with manager() as first:
            assert await silent_for_two_days(first, clock, "before") is None
            assert await answered(server, HASTY) == "appended: policy hasty-1, for episodes that begin after it"
            assert client.get(WANTED_POLICY) is None
            assert await silent_for_two_days(first, clock, "behind") == "INACTIVITY"
            await until(lambda: client.get(POLICY) == policy_from_json(HASTY).to_json())
        async with manager() as again:  # its configuration was brought before, and changed since
            assert await silent_for_two_days(again, clock, "restarted") == "INACTIVITY"
        patient = TimeoutConfiguration(inactivity_threshold_hours=240)
        async with JourneyTimeoutManager(patient, store_path=store, now=clock, redis_url=server.url) as other:
            assert await silent_for_two_days(other, clock, "configured") is None
            await until(lambda: client.get(POLICY) == patient.policy().to_json())
            assert (await answered(server, HASTY.replace("hasty-1", "hasty-2"))).startswith("appended: ")
        async with JourneyTimeoutManager(patient, store_path=store, now=clock, redis_url=server.url) as last:
            assert await silent_for_two_days(last, clock, "changed since") == "INACTIVITY"

    asyncio.run(run())
    assert outputs(store) == replayed(store)
    by_journey = {each.journey_id: each.policy_version for each in outputs(store) if isinstance(each, JourneyAbandoned)}
    assert (by_journey["behind"], by_journey["restarted"]) == ("hasty-1", "hasty-1")


class SlowSource(NamedTuple):
    """A source whose log has some versions, and takes a policy only when the test says so."""

    versions: dict
    appending: asyncio.Event
    may_append: asyncio.Event

    async def policies(self):
        """Policies of the log."""
        return KnownPolicies(DEFAULT_POLICY, self.versions)

    async def change_policy(self, policy):
        """Append."""
        self.appending.set()
        await self.may_append.wait()
        self.versions[policy.version] = policy


def test_of_two_managers_one_handles_a_request(server):
    """The other one sees the new version in the log before the answer is written, and must not refuse it."""

    async def run():
        client = redis.asyncio.Redis.from_url(server.url)
        first = SlowSource({}, asyncio.Event(), asyncio.Event())
        second = SlowSource({"hasty-1": DEFAULT_POLICY}, asyncio.Event(), asyncio.Event())
        await client.set(WANTED_POLICY, HASTY)
        handling = asyncio.create_task(handle_wanted_policy(HASTY.encode(), first, client))
        await first.appending.wait()
        await handle_wanted_policy(HASTY.encode(), second, client)
        meanwhile = await client.get(POLICY_ANSWER)
        first.may_append.set()
        await handling
        await handle_wanted_policy(HASTY.encode(), second, client)  # of a round that began before
        answer = await client.get(POLICY_ANSWER)
        left = [await client.exists(WANTED_POLICY), await client.exists(POLICY_LOCK)]
        await client.aclose()
        return meanwhile, answer, left

    meanwhile, answer, left = asyncio.run(run())
    assert meanwhile is None
    assert answer == b"appended: policy hasty-1, for episodes that begin after it"
    assert left == [0, 0]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("spoilt", "refused: not JSON"),
        (b"\xff\xfe", "refused: "),
        ('{"version": "x-1", "deadlines": {"inactivity_hours": "-1"}}', "refused: deadlines.inactivity_hours"),
        (DEFAULT_POLICY.to_json(), f"refused: the log has the version '{DEFAULT_POLICY.version}' already"),
    ],
    ids=["no JSON", "no text", "no policy", "known"],
)
def test_what_is_no_new_policy_is_refused_and_changes_nothing(server, tmp_path, wanted, said):
    """Also a request in an old copy of Redis that was handled long ago."""
    store, clock = tmp_path / "s.sqlite3", ManualClock()

    async def run():
        async with JourneyTimeoutManager(store_path=store, now=clock, redis_url=server.url) as manager:
            answer = await answered(server, wanted)
            return answer, await silent_for_two_days(manager, clock, "journey-1")

    answer, reason = asyncio.run(run())
    assert answer.startswith(said)
    assert reason is None


def test_keys_of_the_policy_that_are_spoilt_are_put_right(server, tmp_path):
    """The policy in force is written again; a request that is not a string is refused."""
    client = server.client()

    async def run():
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3", now=ManualClock(), redis_url=server.url):
            await until(lambda: client.get(POLICY))
            client.set(POLICY, HASTY)
            await until(lambda: client.get(POLICY) == DEFAULT_POLICY.to_json())
            client.delete(POLICY)
            client.rpush(POLICY, "spoilt")
            await until(lambda: client.type(POLICY) == "string")
            assert client.get(POLICY) == DEFAULT_POLICY.to_json()
            client.rpush(WANTED_POLICY, "spoilt")
            answer = await until(lambda: client.get(POLICY_ANSWER))
            assert answer == f"refused: {WANTED_POLICY} must be a string, the JSON of a policy"
            assert not client.exists(WANTED_POLICY)

    asyncio.run(run())
