"""`journeys dead-letters skip`: one record is passed over by workers and replays alike."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from journeys.agents.kafka.group_members import members
from journeys.cli.main import app
from journeys.schemas.records import OffsetSkipped
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, HOUR, home, punctuation, read, touch

from .topic_exchange import append, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def skip(settings, place, *options):
    """Run the command on a place."""
    arguments = ["dead-letters", "skip", *map(str, place), "-b", settings.bootstrap_servers, *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})


def test_a_skipped_record_is_a_dead_letter_for_workers_and_replays(broker, workers):
    """One that no worker has applied; one that was applied is refused, and so is a mark. Who did it is on the topic."""
    settings = emptied(broker, session_timeout_seconds=90, freeze_limit_seconds=60)
    workers.wait_until(lambda: not asyncio.run(members(settings)), "workers of other tests are still members")
    append(settings, punctuation(0), touch("a", 1, HOUR), touch("a", 2, 2 * HOUR), touch("a", 3, 3 * HOUR))
    place = "journey-events", home("a"), 2
    asked = skip(settings, place)
    assert asked.exit_code == 2, asked.output
    assert "give --yes" in asked.output
    done = skip(settings, place, "--yes", "--reason", "nobody survives it", "--requested-by", "ann")
    assert done.exit_code == 0, done.output
    assert f"journey-events:{home('a')}:2" in done.output
    assert "skipped by the mark at offset 4: restart the worker" in done.output
    again = skip(settings, place, "--json")
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
        refused = skip(settings, ("journey-events", home("a"), offset), "--yes")
        assert refused.exit_code == 2, refused.output
        assert why in refused.output
    for wrong, why in ((("journey-events", 99, 0), "no partition 99"), (("other", 0, 0), "not read by workers")):
        refused = skip(settings, wrong, "--yes")
        assert refused.exit_code == 2, refused.output
        assert why in refused.output
    worker.stop()
    assert OffsetSkipped(2, "nobody survives it", "ann").offset == 2
