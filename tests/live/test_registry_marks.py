"""What a registry says is in the log: whatever it answers, a worker goes on, and a replay without it gives the same."""

import asyncio
import json

import pytest

from journeys.agents.kafka.log_reader import open_log
from journeys.agents.kafka.schema_registry import own_catalog
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.topic_replay import TopicReplay
from journeys.schemas.codec import Codec, prefix_of
from journeys.schemas.records import Mark, SchemaDecided
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_ABANDONMENTS, JOURNEY_EVENTS
from journeys.streams.partition.effects import Counts
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.marked_logs import NEWER, foreign
from tests.fixtures.topic_contents import DAY, HOUR, Raw, home, punctuation, read, touch, write
from tests.fixtures.troubled_registry import ENDLESS, KNOWN, LAGGING, NOWHERE, REFUSED, troubled_registry

from .test_offset_skip import skip
from .test_registry_live import with_registry
from .topic_exchange import append
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def _raw(value: bytes, journey_id: str = "a") -> Raw:
    return Raw(JOURNEY_EVENTS, home(journey_id), journey_id.encode(), value)


def _marks(settings: Settings, partition: int) -> dict[int, Mark]:
    async def marks() -> dict[int, Mark]:
        async with open_log(settings, JOURNEY_EVENTS, catalog=None) as log:
            return (await log.marks(partition)).by_offset

    return asyncio.run(marks())


def _decided(settings: Settings, partition: int) -> dict[int, SchemaDecided]:
    found = _marks(settings, partition).values()
    return {mark.schema_id: mark for mark in found if isinstance(mark, SchemaDecided)}


def test_rows_5_and_6_no_answer_of_a_registry_ends_a_worker_or_splits_it_from_its_replay(broker, workers):
    """302 to 422, no schema, 300 MB and the like; unknown at first and known a second later; and nowhere known.

    Then the registry is gone for good: a replay reads its answers in the log.
    """
    plain = emptied(broker, session_timeout_seconds=90, freeze_limit_seconds=60)
    with troubled_registry() as url:
        settings = plain.model_copy(update={"schema_registry_url": url})
        worker = workers.start(settings)
        worker.wait_until_logged("restored: partitions [")
        append(plain, punctuation(0))
        bad = [*REFUSED, ENDLESS, NOWHERE]
        lagging = [_raw(foreign(NEWER, LAGGING, touch("a", number, number * HOUR))) for number in (1, 2)]
        asyncio.run(
            write(
                plain,
                [
                    lagging[0],
                    *(_raw(prefix_of(schema_id) + b"body") for schema_id in bad),
                    _raw(foreign(NEWER, KNOWN, touch("a", 3, 3 * HOUR))),
                    lagging[1],
                ],
            )
        )
        append(settings, touch("a", 4, 4 * HOUR))
        append(plain, punctuation(9 * DAY))
        workers.wait_until_applied(plain)
        worker.stop()
        report, _ = verified(settings)
        assert (report.counts.applied, report.counts.dead) == (4, len(bad))
    replayed = _replayed(settings), _replayed(plain)  # its address answers no more, or is not even set
    assert [(counts.applied, counts.dead) for counts in replayed] == [(4, len(bad))] * 2
    decided = _decided(plain, home("a"))
    assert {schema_id for schema_id, mark in decided.items() if mark.refusal is not None} == set(bad)
    assert json.loads(str(decided[LAGGING].schema)) == NEWER
    assert len(decided) == len(bad) + 3  # the two that are known, and the registry's own id of a touchpoint


def test_a_registry_that_is_away_holds_back_one_partition_and_no_other(broker, workers):
    """The worker says so and lives; when the registry is back, what waited is read."""

    def scenario(registry) -> None:
        plain = emptied(broker, session_timeout_seconds=90, freeze_limit_seconds=60)
        settings = plain.model_copy(update={"schema_registry_url": registry.url})
        worker = workers.start(settings)
        worker.wait_until_logged("restored: partitions [")
        newer_id = registry.add_avro(NEWER)
        registry.failures = 1_000_000
        there = next(name for name in map(str, range(100)) if home(name) != home("a"))
        asyncio.run(write(plain, [_raw(foreign(NEWER, newer_id, touch("a", 1, HOUR)))]))
        worker.wait_until_logged("waits for the schema registry")
        append(plain, touch("a", 2, 2 * HOUR), touch(there, 1, HOUR), punctuation(9 * DAY))
        abandonments = f"nothing came of journey {there}"
        workers.wait_until(lambda: bool(_of(plain, JOURNEY_ABANDONMENTS, home(there))), abandonments)
        worker.require_running()
        assert not _of(plain, JOURNEY_ABANDONMENTS, home("a"))
        assert "goes on after" not in worker.log
        registry.failures = 0
        workers.wait_until_applied(plain)
        report, _ = verified(settings)
        assert (report.counts.applied, report.counts.dead) == (3, 0)
        assert not _of(plain, DEAD_LETTERS, home("a"))
        worker.stop()

    with_registry(scenario)


def _replayed(settings: Settings) -> Counts:
    async def run() -> Counts:
        replay = TopicReplay(settings)
        async for _ in replay.effects():
            pass
        return replay.counts

    return asyncio.run(run())


def _of(settings: Settings, topic: str, partition: int) -> list:
    return asyncio.run(read(settings, topic))[partition]


def test_a_record_at_which_a_partition_waits_can_be_skipped(broker, workers):
    """While the registry is away: only that one. The worker finds the mark before it reads the record."""

    def scenario(registry) -> None:
        plain = emptied(broker, session_timeout_seconds=90, freeze_limit_seconds=60)
        settings = plain.model_copy(update={"schema_registry_url": registry.url})
        worker = workers.start(settings)
        worker.wait_until_logged("restored: partitions [")
        append(plain, touch("a", 1, HOUR))
        workers.wait_until_applied(plain)
        registry.failures = 1_000_000
        asyncio.run(write(plain, [_raw(prefix_of(registry.add_avro(NEWER)) + b"body")]))
        append(plain, touch("a", 2, 2 * HOUR))
        worker.wait_until_logged("waits for the schema registry")
        end = len(_of(plain, JOURNEY_EVENTS, home("a")))
        offset = next(one.offset for one in _of(plain, JOURNEY_EVENTS, home("a")) if one.value[5:] == b"body")

        def is_refused_there() -> bool:
            refused = skip(plain, ("journey-events", home("a"), offset + 1), "--yes")
            assert refused.exit_code == 2, refused.output
            return f"stands at offset {offset}, not at {offset + 1}" in refused.output

        workers.wait_until(is_refused_there, "what is applied was not committed")
        done = skip(plain, ("journey-events", home("a"), offset), "--yes")
        assert done.exit_code == 0, done.output
        assert end <= int(done.output.partition("by the mark at offset ")[2].partition(":")[0])
        registry.failures = 0
        workers.wait_until_applied(plain)
        worker.stop()
        report, _ = verified(settings)
        assert (report.counts.applied, report.counts.dead) == (2, 1)
        letters = [
            Codec(asyncio.run(own_catalog(settings))).decode(one.value) for one in _of(plain, DEAD_LETTERS, home("a"))
        ]
        assert "is skipped by the mark at offset" in letters[0].reason

    with_registry(scenario)
