"""The client of the schema registry, against a small server that keeps to the registry's protocol."""

import asyncio
import json
import logging
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import stamina
from aiohttp import web

from journeys.agents.kafka.log_reader import open_log, tail
from journeys.agents.kafka.record_producer import RecordProducer
from journeys.agents.kafka.schema_registry import (
    RegistryRefusedError,
    RegistryUnreachableError,
    SchemaRegistry,
    own_catalog,
)
from journeys.agents.kafka.topic_time import topic_time
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.topic_replay import TopicReplay
from journeys.schemas.catalog import Catalog, own_schemas
from journeys.schemas.codec import Codec, schema_id_of
from journeys.schemas.invalid import InvalidRecordError
from journeys.schemas.topics import JOURNEY_EVENTS, topic_map
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import START_AT, Raw, home, punctuation, read, touch, write


class Registry:
    """Subjects and ids, as Confluent's registry keeps them: equal schemas have one id."""

    def __init__(self, first_id: int = 101) -> None:
        self.url = ""
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.users: set[str | None] = set()
        self.failures = 0
        """So many requests are answered with 503 before the next one counts."""
        self.refusal: int | None = None
        self._first_id = first_id

    async def answer(self, request: web.Request) -> web.Response:
        """Answer any request."""
        self.asked.append(f"{request.method} {request.path}")
        self.users.add(request.headers.get("Authorization"))
        if self.failures:
            self.failures -= 1
            return web.json_response({"error_code": 50003, "message": "no leader"}, status=503)
        if self.refusal is not None:
            return web.json_response({"error_code": self.refusal, "message": "no"}, status=self.refusal)
        if request.method == "POST":
            schema_id = self.register(request.match_info["subject"], await request.json())
            return web.json_response({"id": schema_id})
        found = self.schemas.get(int(request.match_info["schema_id"]))
        if found is None:
            return web.json_response({"error_code": 40403, "message": "Schema not found"}, status=404)
        return web.json_response(found)

    def register(self, subject: str, body: dict[str, Any]) -> int:
        """Id of a schema under a subject."""
        schema_id = next(
            (known for known, schema in self.schemas.items() if schema == body), self._first_id + len(self.schemas)
        )
        self.schemas[schema_id] = body
        self.subjects.setdefault(subject, []).append(schema_id)
        return schema_id

    def add_avro(self, schema: dict[str, Any]) -> int:
        """Id of a schema that another writer registered."""
        return self.register("elsewhere", {"schema": json.dumps(schema)})


@asynccontextmanager
async def serving(registry: Registry) -> AsyncIterator[Registry]:
    """Serve a registry on a free port of this machine."""
    app = web.Application()
    app.router.add_post("/subjects/{subject}/versions", registry.answer)
    app.router.add_get("/schemas/ids/{schema_id}", registry.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        registry.url = f"http://{host}:{port}"
        yield registry
    finally:
        await runner.cleanup()


def newer(name: str) -> dict[str, Any]:
    """Schema of a writer whose record has one field more."""
    own = own_schemas()[name]
    return own | {"fields": [*own["fields"], {"name": "device", "type": "string", "default": "none"}]}


def written_by_another(registry: Registry, name: str, fields: dict[str, Any]) -> tuple[int, bytes]:
    """Id of a newer schema in the registry, and a value under it."""
    schema_id = registry.add_avro(newer(name))
    writer = Catalog()
    writer._own[name] = newer(name)
    writer.use_id(name, schema_id)
    return schema_id, Codec(writer).encode_fields(name, fields | {"device": "tv"})


def test_own_schemas_are_registered_by_topic_and_record_name():
    """Each under its subject; the catalog then writes under the registry's ids and reads them."""

    async def register() -> tuple:
        async with serving(Registry()) as registry:
            settings = Settings(_env_file=None, schema_registry_url=registry.url)
            return registry, await own_catalog(settings), await own_catalog(settings)

    registry, catalog, again = asyncio.run(register())
    expected = {f"{topic.name}-gaelp.journeys.{name}" for topic in topic_map("journeys") for name in topic.records}
    assert set(registry.subjects) == expected
    assert registry.subjects["journey-events-gaelp.journeys.Touchpoint"] == [catalog.id_of("Touchpoint")] * 2
    assert json.loads(registry.schemas[catalog.id_of("DeadLetter")]["schema"]) == own_schemas()["DeadLetter"]
    value = Codec(catalog).encode(touch("a", 1, 0))
    assert 101 <= schema_id_of(value) < 101 + len(expected)
    assert Codec(again).decode_input(value) == touch("a", 1, 0)


def test_a_writers_schema_is_fetched_once_and_read_by_avros_rules():
    """A field that is new here is left out."""

    async def learn() -> tuple:
        async with serving(Registry()) as registry:
            schema_id, value = written_by_another(registry, "Touchpoint", touch("a", 1, 0)._asdict())
            codec = Codec()
            async with SchemaRegistry(registry.url, codec.catalog) as client:
                await client.learn_from([value, None, b"not a frame", value])
                await client.learn_from([value])
            return codec.decode_input(value), registry.asked, schema_id

    record, asked, schema_id = asyncio.run(learn())
    assert record == touch("a", 1, 0)
    assert asked == [f"GET /schemas/ids/{schema_id}"]


def test_an_id_that_the_registry_has_not_got_is_unknown_and_asked_for_once():
    """404 is an answer: the record is a dead letter."""

    async def learn() -> tuple:
        async with serving(Registry()) as registry:
            codec = Codec()
            async with SchemaRegistry(registry.url, codec.catalog) as client:
                for _ in range(3):
                    await client.learn(4711)
            return codec, registry.asked

    codec, asked = asyncio.run(learn())
    assert asked == ["GET /schemas/ids/4711"]
    with pytest.raises(InvalidRecordError, match="schema id: 4711 is not allowed"):
        codec.decode_input(b"\x00" + (4711).to_bytes(4, "big") + b"body")


@pytest.mark.parametrize(
    "answer",
    [
        {"schema": '{"type": "object"}', "schemaType": "JSON"},
        {"schema": '"string"'},
        {"schema": json.dumps({"type": "record", "name": "Touchpoint", "fields": []})},
        {"schema": json.dumps(own_schemas()["Touchpoint"]), "references": [{"name": "x", "subject": "y"}]},
        {"schema": json.dumps({"type": "record", "name": "Invoice", "fields": []})},
    ],
)
def test_a_schema_that_can_not_be_ours_is_known_and_refused(answer):
    """Another kind, another record, a Touchpoint without its fields: a dead letter, and no second question."""

    async def learn() -> tuple:
        async with serving(Registry()) as registry:
            schema_id = registry.register("elsewhere", answer)
            catalog = Catalog()
            async with SchemaRegistry(registry.url, catalog) as client:
                await client.learn(schema_id)
            return catalog, schema_id

    catalog, schema_id = asyncio.run(learn())
    assert catalog.knows(schema_id)
    with pytest.raises(InvalidRecordError, match="schema id"):
        catalog.writer(schema_id)


def test_a_registry_that_fails_for_a_moment_is_asked_again():
    """Two times 503, then the answer."""

    async def learn() -> tuple:
        async with serving(Registry()) as registry:
            schema_id = registry.add_avro(newer("Touchpoint"))
            registry.failures = 2
            catalog = Catalog()
            async with SchemaRegistry(registry.url, catalog) as client:
                await client.learn(schema_id)
            return catalog.knows(schema_id), len(registry.asked)

    assert asyncio.run(learn()) == (True, 3)


@pytest.mark.slow
def test_a_registry_that_does_not_answer_is_an_error_and_nothing_is_decided():
    """Whether the record is a dead letter nobody can say; user and password are not told."""

    async def learn() -> Catalog:
        async with serving(Registry()) as registry:
            url = registry.url
        catalog = Catalog()
        async with SchemaRegistry(url.replace("http://", "http://ann:secret@"), catalog) as client:
            with pytest.raises(RegistryUnreachableError, match=f"the schema registry at {url} does not") as raised:
                await client.learn(4711)
            assert "secret" not in str(raised.value)
        return catalog

    assert not asyncio.run(learn()).knows(4711)


def test_a_registry_in_trouble_is_told_without_user_and_password(caplog, capfd):
    """Neither the error, nor its causes, nor what is logged at each attempt."""
    caplog.set_level(logging.DEBUG)

    async def learn() -> RegistryUnreachableError:
        async with serving(Registry()) as registry:
            registry.failures = 99
            url = registry.url.replace("http://", "http://ann:secret@")
            async with SchemaRegistry(url, Catalog()) as client:
                with stamina.set_testing(True, attempts=2), pytest.raises(RegistryUnreachableError) as raised:
                    await client.learn(4711)
        return raised.value

    told = "".join(traceback.format_exception(asyncio.run(learn())))
    assert "HTTPStatusError" in told
    assert "/schemas/ids/4711" in caplog.text
    logged = "".join(capfd.readouterr())
    assert "retry_scheduled" in logged
    assert "secret" not in told + caplog.text + logged


@pytest.mark.parametrize("status", [401, 409, 422])
def test_a_refusal_is_an_error_at_once(status):
    """No right, an incompatible schema: asking again helps nobody."""

    async def register() -> list[str]:
        async with serving(Registry()) as registry:
            registry.refusal = status
            async with SchemaRegistry(registry.url, Catalog()) as client:
                with pytest.raises(RegistryRefusedError, match=f"refuses the schema of journey-events-.*: {status}"):
                    await client.register_own(topic_map("journeys"))
            return registry.asked

    assert len(asyncio.run(register())) == 1


def test_user_and_password_of_the_url_are_sent():
    """As HTTP's basic authentication."""

    async def learn() -> set:
        async with serving(Registry()) as registry:
            url = registry.url.replace("http://", "http://ann:secret@")
            async with SchemaRegistry(url, Catalog()) as client:
                await client.learn(1)
            return registry.users

    assert asyncio.run(learn()) == {"Basic " + b64encode(b"ann:secret").decode()}


@pytest.mark.broker
def test_records_written_under_a_registrys_ids_are_replayed_with_its_help(broker):
    """A topic of a registry's ids, of an id it has not got, and of fingerprints; and without its help."""
    settings = emptied(broker)
    unknown = b"\x00" + (4711).to_bytes(4, "big") + b"body"

    async def replay() -> tuple:
        async with serving(Registry()) as registry:
            with_registry = settings.model_copy(update={"schema_registry_url": registry.url})
            async with RecordProducer(with_registry) as producer:
                await producer.send(touch("a", 1, 0))
                await producer.send_to_all(punctuation(0))
            fingerprint = Raw(JOURNEY_EVENTS, home("a"), b"a", Codec().encode(touch("a", 2, 0)))
            await write(settings, [fingerprint, Raw(JOURNEY_EVENTS, home("a"), b"a", unknown)])
            found = [TopicReplay(with_registry), TopicReplay(settings)]
            for replay in found:
                async for _ in replay.effects():
                    pass
            ids = {schema_id_of(record.value) for record in (await read(settings))[home("a")]}
        with pytest.raises(RegistryUnreachableError):
            async for _ in TopicReplay(with_registry).effects():
                pass
        return ids, found[0].counts, found[1].counts

    ids, helped, alone = asyncio.run(replay())
    assert {Catalog().id_of("Touchpoint"), 4711} < ids
    assert len(ids) == 4
    assert (helped.applied, helped.punctuations, helped.dead) == (2, 4, 1)
    assert (alone.applied, alone.punctuations, alone.dead) == (1, 0, 6)
    assert punctuation(0).at == START_AT


@pytest.mark.broker
def test_a_reader_fetches_the_schemas_of_what_it_reads(broker):
    """Before its caller decodes: from a partition, from the end of a log, and for the topic's time source."""
    settings = emptied(broker)

    async def read_all() -> tuple:
        async with serving(Registry()) as registry:
            with_registry = settings.model_copy(update={"schema_registry_url": registry.url})
            _, value = written_by_another(registry, "Punctuation", punctuation(0)._asdict())
            await write(settings, [Raw(JOURNEY_EVENTS, 0, None, value)])
            codecs = Codec(), Codec()
            async with open_log(with_registry, JOURNEY_EVENTS, catalog=codecs[0].catalog) as log:
                (read,) = [batch async for batch in log.read_partition(0)]
            starts = {(JOURNEY_EVENTS, 0): 0}
            followed = tail(with_registry, [JOURNEY_EVENTS], catalog=codecs[1].catalog, start_offsets=starts)
            async with aclosing(followed) as batches:
                batch = await anext(batches)
            decoded = [
                codec.decode_input(each.records[0].value) for codec, each in zip(codecs, (read, batch), strict=True)
            ]
            return decoded, await topic_time(with_registry, Codec(await own_catalog(with_registry)))

    decoded, time = asyncio.run(read_all())
    assert decoded == [punctuation(0)] * 2
    assert (time.first, time.unpunctuated) == ({0: punctuation(0)}, [])
