"""What the worker writes into the log about schema ids, asked of a registry in trouble; with a short patience."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from journeys.agents.kafka import schema_registry
from journeys.agents.kafka.schema_registry import SchemaRegistry
from journeys.agents.worker import schema_decisions
from journeys.agents.worker.ports.batch import Batch
from journeys.agents.worker.schema_decisions import SchemaDecisions
from journeys.schemas.catalog import Catalog, own_schemas
from journeys.schemas.codec import prefix_of
from journeys.schemas.marks import Marks, mark_value
from journeys.schemas.records import Mark, SchemaDecided
from journeys.schemas.topics import topic_map
from tests.fixtures.marked_logs import plain
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

HERE, ELSEWHERE = TP("journey-events", 0), TP("journey-events", 1)


@pytest.fixture(scope="module")
def url():
    """Give the URL of a registry for all tests of this file."""
    with troubled_registry() as found:
        yield found


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    """Have patience for seconds only."""
    monkeypatch.setattr(schema_decisions, "_PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr(schema_decisions, "_FAULT_PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr(schema_decisions, "_LONGEST_PAUSE_SECONDS", 0.3)
    monkeypatch.setattr(schema_registry, "_WHOLE_ANSWER_SECONDS", 0.5)


class Log:
    """Stands for the input topic and its worker."""

    def __init__(self) -> None:
        self.partition: Any = SimpleNamespace(marks=Marks())
        self.written: list[SchemaDecided] = []
        self.sought: list[TP] = []
        self.consumer = SimpleNamespace(next_position={HERE: 7}, seek_back=self.sought.append)

    async def append(self, number: int, marks: list[Mark]) -> None:
        """Take marks, as a partition's reader then does."""
        assert number == HERE.partition
        for mark in marks:
            assert isinstance(mark, SchemaDecided)
            assert mark_value(mark)
            self.partition.marks.add(100 + len(self.written), mark)
            self.written.append(mark)


def _batch(*ids: int) -> Batch:
    return Batch([plain(offset, b"a", prefix_of(schema_id) + b"body") for offset, schema_id in enumerate(ids)], 0, None)


def _decided(url: str, *ids: int, seconds: float = 20.0) -> tuple[dict[int, SchemaDecided], Log]:
    """Marks about the ids of a batch, once the partition goes on."""

    async def run() -> tuple[dict[int, SchemaDecided], Log]:
        catalog, log = Catalog(), Log()
        async with SchemaRegistry(url, catalog) as registry:
            await registry.register_own(topic_map("journeys"))
            decisions = SchemaDecisions(log, registry, log, "worker-1")  # type: ignore[arg-type]  # the few calls
            undecided = decisions.undecided(log.partition, _batch(*ids))
            decisions.begin(HERE, undecided)
            assert decisions.waiting == {HERE: undecided}
            async with asyncio.timeout(seconds):
                await asyncio.gather(*decisions._tasks)
            assert not decisions.waiting
            assert not decisions.undecided(log.partition, _batch(*ids))
            return {one.schema_id: one for one in log.written}, log

    return asyncio.run(run())


def test_row_5_whatever_a_registry_says_of_an_id_is_written_and_the_partition_goes_on(url):
    """All ids together: each refused with its reason, but for the one that is known; nobody waits for ever."""
    ids = [*REFUSED, ENDLESS, KNOWN]
    marks, log = _decided(url, *ids)
    assert set(marks) == set(ids)
    assert {schema_id for schema_id, mark in marks.items() if mark.schema is not None} == {KNOWN}
    assert log.sought == [HERE]
    reasons = {schema_id: str(marks[schema_id].refusal) for schema_id in ids if schema_id != KNOWN}
    assert all(reason.isprintable() and len(reason) <= 1000 for reason in reasons.values())
    for schema_id, says in {
        1302: "the schema registry answers 302",
        1403: "the schema registry answers 403",
        2001: "answers without a schema",
        2007: "the schema registry answers 301",
        2014: "its schema is JSON, not AVRO",
        2015: "its schema is PROTOBUF, not AVRO",
        2018: "no record 'Invoice' is known here",
        ENDLESS: "more than",
    }.items():
        assert says in reasons[schema_id], reasons[schema_id]


def test_row_6_an_id_that_is_known_a_second_later_is_never_refused(url):
    """The registry's first word is not the last one; an id that nobody ever knows is refused in the end."""
    marks, _ = _decided(url, LAGGING, NOWHERE)
    assert marks[LAGGING].schema is not None
    assert marks[NOWHERE].refusal == "the schema registry does not know it"


def test_an_id_that_alone_gets_no_answer_is_refused_in_the_end(url):
    """429, 500, 401, a broken connection, drops: while the registry answers for other ids."""
    ids = [*FAULTS, DRIPPING]
    marks, _ = _decided(url, *ids)
    for schema_id in ids:
        assert str(marks[schema_id].refusal).startswith("the schema registry answers for other ids, not for this one: ")


def test_own_ids_of_a_registry_are_written_without_a_question(url):
    """A replay then needs no registry for them; fingerprints need no mark."""
    catalog = Catalog()

    async def register() -> None:
        async with SchemaRegistry(url, catalog) as registry:
            await registry.register_own(topic_map("journeys"))

    asyncio.run(register())
    own, fingerprint = catalog.id_of("Touchpoint"), Catalog().id_of("Touchpoint")
    marks, _ = _decided(url, own, fingerprint, seconds=2.0)
    assert set(marks) == {own}
    assert '"Touchpoint"' in str(marks[own].schema)
    assert set(own_schemas()) >= {"Touchpoint"}


def test_a_registry_that_is_away_is_waited_for_and_decides_nothing(url):
    """For longer than any patience; when it is back, it is asked."""

    async def run() -> tuple[list[SchemaDecided], list[SchemaDecided]]:
        catalog, log = Catalog(), Log()
        registry = SchemaRegistry("http://127.0.0.1:1", catalog)
        decisions = SchemaDecisions(log, registry, log, "worker-1")  # type: ignore[arg-type]  # the few calls
        decisions.begin(HERE, frozenset({KNOWN}))
        await asyncio.sleep(3.0)
        early = list(log.written)
        assert decisions.waiting
        async with SchemaRegistry(url, catalog) as back:
            registry._client = back._client
            async with asyncio.timeout(10):
                await asyncio.gather(*decisions._tasks)
            assert not decisions.waiting
        return early, log.written

    early, late = asyncio.run(run())
    assert early == []
    assert [mark.schema_id for mark in late] == [KNOWN]
    assert late[0].schema is not None


def test_a_refused_id_whose_records_still_come_is_asked_again(url, monkeypatch):
    """A second mark then holds for what comes behind it."""
    monkeypatch.setattr(schema_decisions, "_LOOK_AGAIN_SECONDS", 0.0)

    async def run() -> Log:
        log = Log()
        async with SchemaRegistry(url, Catalog()) as registry:
            decisions = SchemaDecisions(log, registry, log, "worker-1")  # type: ignore[arg-type]  # the few calls
            log.partition.marks.add(3, SchemaDecided(KNOWN, None, "not known yet"))
            log.partition.marks.add(4, SchemaDecided(NOWHERE, None, "not known yet"))
            for _ in range(3):
                decisions.look_again(HERE, log.partition, _batch(KNOWN, NOWHERE))
                await asyncio.sleep(0.2)
            return log

    log = asyncio.run(run())
    assert {mark.schema_id for mark in log.written} == {KNOWN}
    assert log.partition.marks.decision(KNOWN, 3).refusal == "not known yet"
    assert log.partition.marks.decision(KNOWN, 200).schema is not None


def test_when_partitions_are_released_their_questions_are_dropped(url):
    """Nothing is written for a partition that another worker may have."""

    async def run() -> Log:
        log = Log()
        async with SchemaRegistry(url, Catalog()) as registry:
            decisions = SchemaDecisions(log, registry, log, "worker-1")  # type: ignore[arg-type]  # the few calls
            decisions.begin(HERE, frozenset({NOWHERE}))
            decisions.begin(ELSEWHERE, frozenset({NOWHERE}))
            await asyncio.sleep(0.3)
            decisions.stop()
            assert not decisions.waiting
            await asyncio.sleep(3.0)
        return log

    log = asyncio.run(run())
    assert (log.written, log.sought) == ([], [])
