"""A registry that answers as none should, a process of its own: bounded in bytes and time, and it ends nobody."""

from __future__ import annotations

import asyncio
import tracemalloc
from time import monotonic

import pytest

from journeys.agents.kafka import schema_registry
from journeys.agents.kafka.schema_registry import RegistryRefusedError, RegistryUnreachableError, SchemaRegistry
from journeys.schemas.catalog import Catalog, read_schema
from journeys.schemas.codec import Codec, prefix_of
from journeys.schemas.invalid import InvalidRecordError
from tests.fixtures.marked_logs import NEWER, foreign
from tests.fixtures.topic_contents import touch
from tests.fixtures.troubled_registry import (
    DRIPPING,
    ENDLESS,
    FAULTS,
    KNOWN,
    LAGGING,
    NOWHERE,
    REFUSED,
    troubled_registry,
)

_LITTLE_MEMORY_BYTES = 20_000_000


@pytest.fixture(scope="module")
def url():
    """Give the URL of a registry for all tests of this file."""
    with troubled_registry() as found:
        yield found


async def _ask(url, schema_id):
    async with SchemaRegistry(url, Catalog()) as registry:
        return await registry.ask(schema_id)


@pytest.mark.parametrize("schema_id", [*REFUSED, ENDLESS])
def test_row_5_one_id_refused_is_that_ids_matter(url, schema_id):
    """302 to 422, no schema, 300 MB, a gzip bomb, a redirect to itself, no JSON, another kind of schema."""

    async def learn():
        codec = Codec()
        async with SchemaRegistry(url, codec.catalog) as registry:
            bad, good = prefix_of(schema_id) + b"body", foreign(NEWER, KNOWN, touch("a", 1, 0))
            await registry.learn_from([bad, good])
            return await registry.ask(schema_id), codec

    answer, codec = asyncio.run(learn())
    assert answer.fault is None
    assert answer.schema is None or isinstance(read_schema(answer.schema), str)
    with pytest.raises(InvalidRecordError, match=f"^schema id: {schema_id} is not allowed"):
        codec.decode_input(prefix_of(schema_id) + b"body")
    assert codec.decode_input(foreign(NEWER, KNOWN, touch("a", 1, 0))) == touch("a", 1, 0)
    assert str(answer.refusal).isprintable()


def test_row_5_an_answer_without_end_takes_little_memory(url):
    """Of 300 MB not more is read than the longest schema needs."""
    tracemalloc.start()
    try:
        answer = asyncio.run(_ask(url, ENDLESS))
        assert tracemalloc.get_traced_memory()[1] < _LITTLE_MEMORY_BYTES
    finally:
        tracemalloc.stop()
    assert "more than 524288 bytes" in str(answer.refusal)


@pytest.mark.parametrize("schema_id", list(FAULTS))
def test_what_says_nothing_of_the_id_decides_nothing(url, schema_id):
    """429 with the seconds it asks for, 500, 401, a connection that ends: no refusal."""
    answer = asyncio.run(_ask(url, schema_id))
    assert (answer.schema, answer.refusal) == (None, None)
    assert answer.fault
    assert answer.retry_after_seconds == (1.0 if schema_id == 3001 else None)


def test_row_5_an_answer_that_drips_ends_after_a_while(url, monkeypatch):
    """Though every byte comes in time."""
    monkeypatch.setattr(schema_registry, "_WHOLE_ANSWER_SECONDS", 0.5)
    began = monotonic()
    answer = asyncio.run(_ask(url, DRIPPING))
    assert answer.fault == "no whole answer within 0.5 s"
    assert monotonic() - began < 5


def test_row_6_an_id_that_a_follower_does_not_know_yet(url):
    """404 first, and the schema a second later; of another id 404 for ever."""

    async def twice(schema_id):
        first = await _ask(url, schema_id)
        await asyncio.sleep(1.1)
        return first, await _ask(url, schema_id)

    first, second = asyncio.run(twice(LAGGING))
    assert (first.is_unknown, first.is_final) == (True, False)
    assert second.schema is not None
    first, second = asyncio.run(twice(NOWHERE))
    assert first == second


def test_a_registry_that_speaks_no_tls_is_away(url):
    """As any other failure to connect; readers say so, with the address."""
    answer = asyncio.run(_ask(url.replace("http://", "https://"), KNOWN))
    assert answer.fault

    async def learn():
        async with SchemaRegistry("https://127.0.0.1:1", Catalog()) as registry:
            await registry.learn(KNOWN)

    with pytest.raises(RegistryUnreachableError, match="the schema registry at https://127\\.0\\.0\\.1:1 does not"):
        asyncio.run(learn())


def test_unknown_ids_of_a_batch_are_asked_together(url, monkeypatch):
    """Not one after the other: six that drip take as long as one."""
    monkeypatch.setattr(schema_registry, "_WHOLE_ANSWER_SECONDS", 1.0)

    async def ask_all():
        async with SchemaRegistry(url, Catalog()) as registry:
            return await asyncio.gather(*(registry.ask(DRIPPING) for _ in range(6)))

    began = monotonic()
    assert len(asyncio.run(ask_all())) == 6
    assert monotonic() - began < 4


def test_an_id_that_is_no_number_is_no_registrys(url):
    """When schemas are registered, as when they are fetched."""
    reply = schema_registry.RegistryReply(200, "", b'{"id": "7"}')
    for body in (b'{"id": "7"}', b"{}", b"[]", b"", b'{"id": true}', b'{"id": -1}'):
        with pytest.raises(RegistryRefusedError, match="is no schema registry"):
            SchemaRegistry(url, Catalog())._id_in(reply._replace(body=body), "a schema")
