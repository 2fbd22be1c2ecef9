"""A bad record's whole way: in, dead letter, found by a person, corrected, retried, and a journey at last."""

import asyncio
import json

import pytest

from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.records import Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS, JOURNEY_LIFECYCLE
from tests.cli.console_script import journeys
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import Raw, home, write

from .topic_exchange import published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

CODEC = Codec()


def test_a_bad_record_becomes_a_journey_once_it_is_corrected(broker, workers, tmp_path):
    """Through the commands that a person has; live equals replay afterwards, and a second retry changes nothing."""
    settings = emptied(broker)
    workers.start(settings)
    at = now_ms()
    bad = CODEC.encode_fields("Touchpoint", Touchpoint("sick", None, "t-1", at, state="HAPPY")._asdict())
    asyncio.run(write(settings, [Raw(JOURNEY_EVENTS, home("sick"), b"sick", bad)]))
    workers.wait_until_applied(settings)
    place = f"{JOURNEY_EVENTS}:{home('sick')}:0"

    def say(*arguments):
        done = journeys(
            *arguments, "--bootstrap-servers", settings.bootstrap_servers, cwd=tmp_path, env={"COLUMNS": "200"}
        )
        return done.returncode, done.stdout + done.stderr

    code, listed = say("dead-letters", "list")
    assert code == 0
    assert f"{place} " in listed
    code, shown = say("dead-letters", "show", place)
    assert code == 0
    assert "'HAPPY' is not allowed" in shown
    assert say("show", "sick")[0] == 1, "nothing is known of it yet"
    assert say("dead-letters", "retry", place)[0] == 1, "it is as wrong as it was"

    line = {"journey_id": "sick", "touchpoint_id": "t-1", "occurred_at": at, "state": "INTENT", "cost": "2.50"}
    (tmp_path / "corrected.jsonl").write_text(json.dumps(line))
    code, said = say("dead-letters", "retry", place, "--with", "corrected.jsonl")
    assert (code, said.splitlines()[0]) == (0, f"{place}: sent")
    workers.wait_until_applied(settings)
    code, journey = say("show", "sick")
    assert code == 0
    assert "INTENT" in journey
    kinds = [said.kind for said in published(settings, JOURNEY_LIFECYCLE)]
    assert kinds == ["audited_show", "started", "audited_show"]

    code, said = say("dead-letters", "retry", place, "--with", "corrected.jsonl")
    assert code == 0
    assert f"retried already as {JOURNEY_EVENTS}:{home('sick')}:" in said
    report, _ = verified(settings)
    assert (report.counts.applied, report.counts.dead, report.counts.duplicate) == (1, 1, 0)
    assert (report.dead_letters.equal, report.lifecycle.equal) == (1, 1)
