"""`journeys listen --topic`: JSON that somebody else's producers write, over kills of the process, once for each id."""

import asyncio
import json
from collections import Counter

import pytest
from aiokafka import TopicPartition

from journeys.agents.devserver.broker import Broker
from journeys.agents.kafka.connection import consumer, producer
from journeys.agents.settings.settings import Settings
from tests.fixtures.fresh_kafka import create_by_hand, emptied

from .listen_process import ListenProcess
from .patient_clients import ids_in_topic, line

pytestmark = [pytest.mark.broker, pytest.mark.slow]
COUNT = 600
BAD = (b"no json", json.dumps(line("bad", 1, cost=-1)).encode(), b"7", json.dumps([1, line("list", 2)]).encode())


async def prepare(settings: Settings, name: str, values: list[bytes]) -> None:
    """Make the topics, and write the values to four partitions."""
    await create_by_hand(settings, {name: (4, {}), f"{name}.refused": (4, {})})
    async with producer(settings) as client:
        for number, value in enumerate(values):
            await client.send(name, value, str(number).encode(), number % 4)
        await client.flush()


async def refused(settings: Settings, name: str, count: int) -> list:
    """The first records of the topic of refused ones."""
    found: list = []
    async with consumer(settings, auto_offset_reset="earliest") as client:
        client.subscribe([f"{name}.refused"])
        async with asyncio.timeout(60):
            while len(found) < count:
                for records in (await client.getmany(timeout_ms=200)).values():
                    found += records
    return found


async def rewind(settings: Settings, name: str) -> None:
    """Take back what the group has committed, as if it had been killed in front of that."""
    async with consumer(settings, group_id=f"{settings.group}-json-{name}") as client:
        partitions = [TopicPartition(name, number) for number in range(4)]
        client.assign(partitions)
        await client.commit(dict.fromkeys(partitions, 0))


async def lag(settings: Settings, name: str) -> int:
    """Records behind what the group has committed."""
    async with consumer(settings, group_id=f"{settings.group}-json-{name}") as client:
        partitions = [TopicPartition(name, number) for number in range(4)]
        client.assign(partitions)
        ends = await client.end_offsets(partitions)
        return sum([ends[one] - (await client.committed(one) or 0) for one in partitions])


def test_a_topic_of_json_is_taken_once_for_each_id_over_kills(broker: Broker, tmp_path):
    """Killed three times with -9; what can't be taken is in NAME.refused, unchanged, with its origin and the reason."""
    settings, name = emptied(broker), "shop-events"
    values = [json.dumps(line(f"shop-{number % 7}", number)).encode() for number in range(COUNT)]
    asyncio.run(prepare(settings, name, [*values[: COUNT // 2], *BAD, *values[COUNT // 2 :]]))
    journeys = [f"shop-{number}" for number in range(7)]
    taking = ListenProcess(settings, tmp_path, "--topic", name)
    with taking:
        for share in (1, 2, 3):
            while len(ids_in_topic(settings, *journeys)) < share * COUNT // 4:
                assert taking.process.poll() is None, taking.log
            taking.kill()
            taking.start()
        while len(ids_in_topic(settings, *journeys)) < COUNT:
            assert taking.process.poll() is None, taking.log
        letters = asyncio.run(refused(settings, name, len(BAD)))
        assert taking.stop() == 0, taking.log
        asyncio.run(rewind(settings, name))
        taking.start()
        while asyncio.run(lag(settings, name)):
            assert taking.process.poll() is None, taking.log
        assert taking.stop() == 0, taking.log
    wanted = {json.loads(value)["touchpoint_id"] for value in values}
    assert ids_in_topic(settings, *journeys) == dict.fromkeys(wanted, 1)
    assert ids_in_topic(settings, "list") == {"list-2": 1}  # the good one beside a bad one
    assert {record.value for record in letters} == set(BAD)
    for record in letters:
        headers = {key: value.decode() for key, value in record.headers}
        assert headers["topic"] == name
        assert headers["reason"].startswith(("value: ", "cost: ", "line: ")), headers
    origins = Counter((record.headers[1][1], record.headers[2][1]) for record in letters)
    assert len(origins) == len(BAD)


def test_a_topic_that_is_not_there_is_one_line(broker: Broker, tmp_path):
    """With what to do, and exit code 2."""
    settings = emptied(broker)
    taking = ListenProcess(settings, tmp_path, "--topic", "nobody-s")
    taking.start(wait=False)
    try:
        assert taking.process.wait(60) == 2
        assert "there is no topic nobody-s: create nobody-s, and nobody-s.refused" in taking.log
    finally:
        taking.process.kill()
        taking.process.wait()
