"""The door without Kafka: how much it takes at once, for how long, from whom; and the memory of ids."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
import trustme

from journeys.agents.health.listening import listening_socket
from journeys.agents.listen import door as door_module
from journeys.agents.listen.client_keys import ClientKeys, WrongKeysError, client_keys
from journeys.agents.listen.door import Door
from journeys.agents.listen.intake import NotTakenError, Outcome
from journeys.agents.listen.known_ids import KnownIds, id_of
from journeys.agents.listen.listener import OpenDoorError, listen
from journeys.agents.settings.settings import Settings
from journeys.schemas.records import JourneyRegistered, JourneySignal, Touchpoint

JSON = {"Content-Type": "application/json"}
AT = 1_760_000_000_000


class Kafka:
    """Stands in for the intake: answers when it is told to."""

    def __init__(self, *, answers: bool = True) -> None:
        self.has_answered = asyncio.Event()
        self.is_slow = False
        self.longest_wait = 0.0
        self.refuses = False
        if answers:
            self.has_answered.set()

    async def take(self, lines):
        """Wait, and accept all of it."""
        await self.has_answered.wait()
        if self.refuses:
            raise NotTakenError("not now")
        return [Outcome(line.number, "accepted") for line in lines]


@asynccontextmanager
async def served(kafka: Kafka, tls: ssl.SSLContext | None = None, *keys: str) -> AsyncIterator[str]:
    """Give the URL of a door."""
    listening = listening_socket("127.0.0.1", 0, "by a test", "", 1_024)
    door = Door(listening, ClientKeys(list(keys)), tls, None)
    door.intake = kafka  # type: ignore[assignment]  # all that the door uses of it
    port = listening.getsockname()[1]
    await door.open()
    try:
        yield f"{'https' if tls else 'http'}://localhost:{port}"
    finally:
        kafka.has_answered.set()
        await door.close(5)


async def posted(session: aiohttp.ClientSession, url: str, body: bytes = b"{}", **more) -> tuple[int, str | None]:
    """Give status and Retry-After of one request."""
    async with session.post(f"{url}/records", data=body, headers=JSON, **more) as answer:
        json.loads(await answer.text())
        return answer.status, answer.headers.get("Retry-After")


def test_what_is_in_work_is_bounded_and_given_back():
    """While Kafka answers nothing, bodies are taken up to the bound, then 429; once it answers, all get their 202."""

    async def scenario():
        kafka = Kafka(answers=False)
        body = b"[" + b" " * (door_module.LARGEST_BODY - 4) + b"{}]"
        async with served(kafka) as url, aiohttp.ClientSession() as session:
            waiting = [asyncio.create_task(posted(session, url, body)) for _ in range(8)]
            refused: set[asyncio.Task] = set()
            while not refused:  # what is taken has no answer yet
                waiting.append(asyncio.create_task(posted(session, url)))
                assert len(waiting) < 100
                refused, _ = await asyncio.wait(waiting, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
            status, retry_after = refused.pop().result()
            assert (status, int(retry_after) > 0) == (429, True)
            kafka.has_answered.set()
            answers = await asyncio.gather(*waiting)
            assert {status for status, _ in answers} <= {202, 429}
            assert [status for status, _ in answers].count(202) >= 7
            for _ in range(10):  # as much again: nothing was kept
                assert await posted(session, url, body) == (202, None)

    asyncio.run(scenario())


def test_a_kafka_that_does_not_answer_is_a_503_and_what_was_taken_stays_taken(monkeypatch):
    """Whether it is slow, refuses, or is not there; always with Retry-After."""
    monkeypatch.setattr(door_module, "_ANSWER_SECONDS", 0.2)

    async def scenario():
        kafka = Kafka(answers=False)
        async with served(kafka) as url, aiohttp.ClientSession() as session:
            assert await posted(session, url) == (503, "2")
            kafka.refuses = True
            kafka.has_answered.set()
            assert await posted(session, url) == (503, "2")
            kafka.refuses = False
            kafka.is_slow = True
            assert await posted(session, url) == (503, "2")
            kafka.is_slow = False
            assert await posted(session, url) == (202, None)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /records HTTP/1.1\r\nHost: localh",
        b"POST /records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{",
        (
            b"POST /records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"
        ),
    ],
    ids=["nothing", "half a header", "half a body", "half a chunk"],
)
def test_who_sends_too_slowly_is_cut_off(begun, monkeypatch):
    """And what was read of it is given back."""
    monkeypatch.setattr(door_module, "_IDLE_SECONDS", 0.3)
    monkeypatch.setattr(door_module, "_BODY_SECONDS", 0.3)

    async def scenario():
        async with served(Kafka()) as url, asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("localhost", int(url.rpartition(":")[2]))
            writer.write(begun)
            told = await reader.read()
            assert told == b"" or b" 408 " in told.partition(b"\r\n")[0]
            writer.close()

    asyncio.run(scenario())


def test_connections_beyond_the_bound_wait_for_their_turn(monkeypatch):
    """Idle ones are closed, and so each client is answered."""
    monkeypatch.setattr(door_module, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(door_module, "_IDLE_SECONDS", 0.3)

    async def scenario():
        async with served(Kafka()) as url, asyncio.timeout(60):
            port = int(url.rpartition(":")[2])
            idle = [await asyncio.open_connection("localhost", port) for _ in range(8)]
            async with aiohttp.ClientSession() as session:
                assert await posted(session, url) == (202, None)
            for _, writer in idle:
                writer.close()

    asyncio.run(scenario())


def test_rubbish_instead_of_http_ends_its_own_connection_only():
    """Whatever bytes come, a client after it is answered."""

    async def scenario():
        async with served(Kafka()) as url, asyncio.timeout(60), aiohttp.ClientSession() as session:
            for rubbish in (
                b"\x16\x03\x01\x02\x00",
                b"GET / HTTP/9.9\r\n\r\n",
                b"\0" * 10_000,
                b"POST " + b"a" * 100_000,
            ):
                reader, writer = await asyncio.open_connection("localhost", int(url.rpartition(":")[2]))
                writer.write(rubbish)
                writer.write_eof()
                with suppress(ConnectionError):
                    assert not (await reader.read()).startswith(b"HTTP/1.1 2")
                writer.close()
                assert await posted(session, url) == (202, None)

    asyncio.run(scenario())


def test_with_a_certificate_nothing_is_answered_without_tls():
    """A client that trusts the authority is, and needs its key all the same."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def scenario():
        async with served(Kafka(), context, "a-key-0123456789") as url, aiohttp.ClientSession() as session:
            assert await posted(session, url, ssl=trusting) == (401, None)
            with pytest.raises(aiohttp.ClientError):
                await posted(session, url.replace("https", "http"))
            headers = JSON | {"Authorization": "Bearer a-key-0123456789"}
            async with session.post(f"{url}/records", data=b"{}", headers=headers, ssl=trusting) as answer:
                assert answer.status == 202

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104  (what is refused)
def test_others_than_this_machine_need_keys(host):
    """Without keys only loopback is listened at."""
    settings = Settings(_env_file=None, bootstrap_servers="127.0.0.1:1")
    with pytest.raises(OpenDoorError, match="JOURNEYS_LISTEN_KEYS_FILE"):
        asyncio.run(listen(settings, host, 0, KnownIds(), None, print))


@pytest.mark.parametrize("keys", ["short", "a-key-0123456789 short", "# only a comment\n", "a-key-of-ünicode-0123"])
def test_keys_that_are_none_are_refused_without_showing_them(keys, tmp_path):
    """Too short, none at all, not ASCII."""
    file = tmp_path / "keys"
    file.write_text(keys)
    with pytest.raises(WrongKeysError, match=r"^JOURNEYS_LISTEN_KEYS: ") as refused:
        client_keys(Settings(_env_file=None, listen_keys_file=file))
    assert not any(word in str(refused.value) for word in keys.split() if len(word) > 4)


def test_at_least_the_last_ids_are_known_and_at_most_twice_as_many():
    """Whatever comes, the memory has its bound."""
    known = KnownIds(100)
    for number in range(1_000):
        known.add(b"%d" % number)
        assert all(b"%d" % earlier in known for earlier in range(max(0, number - 99), number + 1))
    assert sum(b"%d" % number in known for number in range(1_000)) <= 200


def test_an_id_is_that_of_its_journey():
    """Neither the same id of another journey, nor a boundary between the two that moves, is the same."""
    ids = [
        Touchpoint("a", None, "b", AT, cost_micros=0),
        Touchpoint("ab", None, "", AT, cost_micros=0),
        Touchpoint("b", None, "b", AT, cost_micros=0),
        Touchpoint("a", None, "bb", AT, cost_micros=0),
        JourneySignal("a", AT, "fatigue", command_id="c"),
    ]
    assert len({id_of(one) for one in ids}) == len(ids)
    assert id_of(ids[0]) == id_of(JourneySignal("a", AT, "fatigue", command_id="b")), (
        "one list for both, as in the rule"
    )
    assert id_of(JourneySignal("a", AT, "fatigue")) is None
    assert id_of(JourneyRegistered("a", None, AT)) is None
