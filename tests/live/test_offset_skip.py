"""`journeys dead-letters skip`: one record is passed over by workers and replays alike."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from journeys.cli.main import app
from journeys.schemas.records import OffsetSkipped
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, HOUR, home, punctuation, read, touch

from .topic_exchange import append, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def _skip(settings, place, *options):
    arguments = ["dead-letters", "skip", *map(str, place), "-b", settings.bootstrap_servers, *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})


def test_a_skipped_record_is_a_dead_letter_for_workers_and_replays(broker, workers):
    """One that no worker has applied; one that was applied is refused, and so is a mark. Who did it is on the topic."""
    settings = emptied(broker)
    append(settings, punctuation(0), touch("a", 1, HOUR), touch("a", 2, 2 * HOUR), touch("a", 3, 3 * HOUR))
    place = "journey-events", home("a"), 2
    asked = _skip(settings, place)
    assert asked.exit_code == 2, asked.output
    assert "give --yes" in asked.output
    done = _skip(settings, place, "--yes", "--reason", "nobody survives it", "--requested-by", "ann")
    assert done.exit_code == 0, done.output
    assert f"journey-events:{home('a')}:2" in done.output
    assert "skipped by the mark at offset 4: restart the worker" in done.output
    again = _skip(settings, place, "--json")
    assert again.exit_code == 0, again.output
    assert (json.loads(again.stdout)["mark_offset"], json.loads(again.stdout)["skipped_before"]) == (4, True)

    worker = workers.start(settings)
    append(settings, punctuation(9 * DAY))
    workers.wait_until_applied(settings)
    report, _ = verified(settings)
    assert (report.counts.applied, report.counts.dead, report.counts.marks) == (2, 1, 1)
    (letter,) = published(settings, DEAD_LETTERS)
    assert (letter.offset, letter.reason) == (2, "offset: 2 is skipped by the mark at offset 4: nobody survives it")
    (mark_record,) = [one for one in asyncio.run(read(settings))[home("a")] if one.headers]
    assert mark_record.headers == (("mark", b"OffsetSkipped"),)
    audits = [one for one in published(settings, JOURNEY_LIFECYCLE) if one.kind == "audited_skip"]
    assert [(one.requested_by, one.note) for one in audits] == [
        ("ann", f"journey-events:{home('a')}:2: nobody survives it")
    ]

    for offset, why in ((3, "was applied"), (4, "is a mark itself"), (99, "is not in the log")):
        refused = _skip(settings, ("journey-events", home("a"), offset), "--yes")
        assert refused.exit_code == 2, refused.output
        assert why in refused.output
    for wrong, why in ((("journey-events", 99, 0), "no partition 99"), (("other", 0, 0), "not read by workers")):
        refused = _skip(settings, wrong, "--yes")
        assert refused.exit_code == 2, refused.output
        assert why in refused.output
    worker.stop()
    assert OffsetSkipped(2, "nobody survives it", "ann").offset == 2


def test_while_workers_run_only_the_record_where_they_stand_is_skipped(broker, workers):
    """Any other may be applied before the mark is known; the record at which the group stands is taken."""
    settings = emptied(broker)
    append(settings, punctuation(0), touch("a", 1, HOUR))
    worker = workers.start(settings)
    workers.wait_until_applied(settings)
    worker.stop()
    append(settings, touch("a", 2, 2 * HOUR), touch("a", 3, 3 * HOUR))
    frozen = workers.start(settings, freeze_limit_seconds=600)
    frozen.wait_until_logged("restored: partitions [")
    workers.wait_until_applied(settings)
    refused = _skip(settings, ("journey-events", home("a"), 3), "--yes")
    assert refused.exit_code == 2
    assert "was applied" in refused.output
    frozen.stop()
