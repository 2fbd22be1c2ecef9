"""`journeys topics copy` on a real Kafka: 4 to 16 and back under load, killed, and after partitions were added."""

import asyncio

import pytest

from journeys.agents.kafka.topic_setup import partition_counts
from journeys.agents.logcopy.copied_records import origin_of
from journeys.agents.settings.settings import Settings
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.fixtures.fresh_kafka import delete_topics, emptied
from tests.fixtures.topic_contents import DAY, HOUR, Raw, punctuation, read, touch, write

from .copy_process import CopyProcess
from .history_import import HistoryImport
from .test_changed_topics import add_partitions, last_words
from .topic_exchange import append, published
from .verified import verified
from .worker_process import Workers

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def worked_through(settings: Settings, workers: Workers) -> None:
    """Have a worker with these settings do all of it, and prove it."""
    worker = workers.start(settings)
    workers.wait_until_applied(settings)
    worker.stop()
    verified(settings)


def undated(settings: Settings) -> dict:
    """Published abandonments by id, apart from when they were noticed and where they lay."""
    place = {"source_topic": None, "source_partition": None, "source_offset": None}
    return {one.abandonment_id: one._replace(detected_at=0, **place) for one in published(settings)}


def test_4_to_16_under_load(broker, workers, tmp_path):
    """With a worker at work, killed on the way, and bad records in the log: the same abandonments, nothing twice."""
    settings = emptied(broker)
    wide = settings.model_copy(update={"topic_prefix": "wide."})
    delete_topics(wide)
    worker = workers.start(settings)
    with HistoryImport(settings, journeys=600) as history:
        history.wait_until(records=1_500)
        asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, number, b"key", b"nothing") for number in range(4)]))
        copy = CopyProcess(settings, tmp_path, wide, 16)
        copy.wait_until_said("level with")
        copy.kill()
        copy = CopyProcess(settings, tmp_path, wide, 16)
        copy.wait_until_said("of an earlier run")
        history.let_go_on()
    copy.wait_until_said("level with")
    append(settings, punctuation(400 * DAY))
    workers.wait_until_applied(settings)
    worker.stop()
    result = copy.result()
    assert copy.process.returncode == 0, result
    assert (result["ok"], result["dead_letters"], result["new_partitions"]) == (True, 4, 16)
    assert result["compared"]["equal"] > 600
    inputs = asyncio.run(read(wide))
    origins = [origin_of(record.headers) for records in inputs.values() for record in records if record.key is not None]
    assert len(origins) == len(set(origins)) == history.records
    worked_through(wide, workers)
    assert undated(wide) == undated(settings)
    delete_topics(wide)


def test_16_to_4_is_the_same_for_a_log_on_time(broker, tmp_path):
    """4 to 16 and back, with journeys that fall silent on different days, and bad records."""
    settings = emptied(broker)
    wide, back = (settings.model_copy(update={"topic_prefix": prefix}) for prefix in ("wide.", "back."))
    for other in (wide, back):
        delete_topics(other)
    for day in range(6):
        touches = (touch(f"journey-{number}", day, day * DAY + number) for number in range(day * 40, 300))
        append(settings, punctuation(day * DAY), *touches)
        asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, number, b"key", b"nothing") for number in range(4)]))
    append(settings, punctuation(100 * DAY))
    for old, new, count, dead in ((settings, wide, 16, 24), (wide, back, 4, 0)):
        copy = CopyProcess(old, tmp_path, new, count)
        result = copy.result()
        assert (copy.process.returncode, result["ok"]) == (0, True), result
        assert (result["compared"]["equal"], result["dead_letters"], result["new_partitions"]) == (300, dead, count)
    for other in (wide, back):
        delete_topics(other)


def test_row_7_what_is_written_after_partitions_were_added_is_not_lost(broker, workers, tmp_path):
    """The advice of the worker that ended works: new topics, in which every touchpoint counts."""
    settings = emptied(broker)
    mended = settings.model_copy(update={"topic_prefix": "mended."})
    delete_topics(mended)
    names = [f"journey-{number}" for number in range(40)]
    worker = workers.start(settings)
    append(settings, punctuation(0), *(touch(name, 1, HOUR) for name in names))
    workers.wait_until_applied(settings)
    asyncio.run(add_partitions(settings, JOURNEY_EVENTS, 6))
    append(settings, *(touch(name, 2, 2 * HOUR) for name in names))  # by the new count, as producers do
    assert "`journeys topics copy NEW.env --partitions 6`" in last_words(worker)
    copy = CopyProcess(settings, tmp_path, mended, 6)
    result = copy.result()
    assert (copy.process.returncode, result["ok"], result["dead_letters"]) == (0, None, 0), result
    assert asyncio.run(partition_counts(mended))[mended.topic(JOURNEY_EVENTS)] == 6
    append(mended, punctuation(40 * DAY))
    worked_through(mended, workers)
    assert {one.journey_id: one.touchpoint_count for one in published(mended)} == dict.fromkeys(names, 2)
    delete_topics(mended)
