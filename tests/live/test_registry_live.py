"""With a schema registry a worker takes its ids and fingerprints side by side, and writes under its ids."""

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_writer

from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.settings.settings import Settings
from journeys.agents.worker.ports.worker_exit import WorkerExit
from journeys.schemas.codec import HEADER_BYTES, Codec, schema_id_of
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_EVENTS, changelog_name
from tests.agents.kafka.test_schema_registry import Registry, newer, serving
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.row_versions import AFTER, prefix_of, written_as
from tests.fixtures.topic_contents import DAY, HOUR, Raw, home, punctuation, read, touch, write

from .topic_exchange import append
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

UNKNOWN_ID = 99_999
CHANGELOG = changelog_name("journeys")
OWN_ROWS = {Codec().catalog.id_of(name) for name in ("SchemaRow", "MarkRow", "StartRow")}


def with_registry(scenario: Callable[[Registry], None]) -> None:
    """Run a scenario in a thread while a registry answers."""

    async def run() -> None:
        async with serving(Registry()) as registry:
            await asyncio.to_thread(scenario, registry)

    asyncio.run(run())


def newer_value(schema_id: int, number: int) -> bytes:
    """Touchpoint of journey `a` as a writer with a newer schema says it."""
    out = BytesIO()
    record = touch("a", number, number * HOUR)._asdict() | {"device": "phone"}
    schemaless_writer(out, newer("Touchpoint"), record)
    return b"\x00" + schema_id.to_bytes(4, "big") + out.getvalue()


def raw(value: bytes) -> Raw:
    """Make a record of journey `a` with this value."""
    return Raw(JOURNEY_EVENTS, home("a"), b"a", value)


def ids(settings: Settings, topic: str) -> set[int]:
    """Schema ids of all values of a topic."""
    found = asyncio.run(read(settings, topic))
    return {schema_id_of(record.value) for records in found.values() for record in records}


def test_ids_of_a_registry_and_fingerprints_are_taken_side_by_side_by_one_worker(broker, workers):
    """One journey, told by three writers; a schema that the worker has never seen is asked for, even in bad moments."""

    def scenario(registry: Registry) -> None:
        plain = emptied(broker)
        settings = plain.model_copy(update={"schema_registry_url": registry.url})
        workers.start(settings).wait_until_logged("restored: partitions [")
        own_ids = set(registry.schemas)

        append(plain, punctuation(0), touch("a", 1, HOUR))
        append(settings, touch("a", 2, 2 * HOUR))
        workers.wait_until_applied(settings)
        newer_id = registry.add_avro(newer("Touchpoint"))
        registry.failures = 2
        asyncio.run(write(settings, [raw(newer_value(newer_id, 3)), raw(newer_value(UNKNOWN_ID, 4))]))
        append(plain, touch("a", 5, 5 * HOUR), punctuation(9 * DAY))
        workers.wait_until_applied(settings)

        assert ids(settings, JOURNEY_EVENTS) >= {Codec().catalog.id_of("Touchpoint"), newer_id, UNKNOWN_ID}
        assert len(ids(settings, JOURNEY_EVENTS) & own_ids) == 1
        for topic in (JOURNEY_ABANDONMENTS, DEAD_LETTERS, CHANGELOG):
            assert ids(settings, topic) - OWN_ROWS <= own_ids, f"{topic} is written under the registry's ids"
        asked = [request for request in registry.asked if request.startswith("GET")]
        assert set(asked) == {f"GET /schemas/ids/{newer_id}", f"GET /schemas/ids/{UNKNOWN_ID}"}
        # Both were in one batch, whose first two requests failed. One that is not known is asked again for a while.
        assert asked.count(f"GET /schemas/ids/{newer_id}") == 2, asked
        assert asked.count(f"GET /schemas/ids/{UNKNOWN_ID}") > 2, asked

        (abandoned,) = decoded(settings, JOURNEY_ABANDONMENTS)
        assert (abandoned.journey_id, abandoned.touchpoint_count) == ("a", 4)
        (letter,) = decoded(settings, DEAD_LETTERS)
        assert letter.reason.startswith(f"schema id: {UNKNOWN_ID} is not allowed")
        report, _ = verified(settings)
        assert (report.counts.applied, report.counts.dead) == (4, 1)

    with_registry(scenario)


def test_rows_under_a_registrys_ids_are_restored_with_it_and_without_it(broker, workers):
    """Of a schema that only the registry knows; and when there is no registry any more, as the table tells its own."""

    def scenario(registry: Registry) -> None:
        plain = emptied(broker)
        settings = plain.model_copy(update={"schema_registry_url": registry.url})
        first = workers.start(settings)
        append(plain, punctuation(0), touch("a", 1, HOUR), touch("b", 1, HOUR))
        workers.wait_until_applied(settings)
        first.stop()
        later_id = registry.add_avro(AFTER)
        codec = Codec(asyncio.run(own_catalog(settings)))
        (row,) = [one.value for one in asyncio.run(read(settings, CHANGELOG))[home("a")] if one.key == b"ja"]
        later = prefix_of(later_id) + written_as(AFTER, codec.decode_fields(row)[1])[HEADER_BYTES:]
        asyncio.run(write(settings, [Raw(CHANGELOG, home("a"), b"ja", later)]))
        second = workers.start(settings)
        second.wait_until_logged(", 2 journeys, ")
        append(plain, touch("a", 2, 2 * HOUR))  # writes the row once more, under this version's schema
        workers.wait_until_applied(settings)
        second.stop()
        third = workers.start(plain)
        third.wait_until_logged(", 2 journeys, ")
        append(plain, punctuation(9 * DAY))
        workers.wait_until_applied(plain)
        third.stop()
        published = decoded(settings, JOURNEY_ABANDONMENTS)
        assert {(one.journey_id, one.touchpoint_count) for one in published} == {("a", 2), ("b", 1)}

    with_registry(scenario)


def decoded(settings: Settings, topic: str) -> list[Any]:
    """Records of an output topic, under the registry's ids."""
    codec = Codec(asyncio.run(own_catalog(settings)))
    found = asyncio.run(read(settings, topic))
    return [codec.decode(record.value) for records in found.values() for record in records]


def test_a_registry_that_is_not_there_stops_a_worker_before_it_starts(broker, workers):
    """Schemas that nobody can look up must not become dead letters."""
    settings = emptied(broker, schema_registry_url="http://127.0.0.1:1")
    worker = workers.start(settings)
    assert worker.exit_code(60) == WorkerExit.UNREACHABLE, worker.told("did not refuse")
    assert worker.log.splitlines()[-1].startswith("journeys: the schema registry at http://127.0.0.1:1 does not answer")
    assert "Traceback" not in worker.log
