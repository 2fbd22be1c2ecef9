"""Commands whose answer comes from a worker: abandon, extend, watch."""

import asyncio
import json

import pytest

from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.topics import JOURNEY_ABANDONMENTS
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import read
from tests.live.worker_process import Workers

from .console_script import journeys

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture(scope="module")
def live(broker, tmp_path_factory):
    """Settings of a Kafka with a worker on live time."""
    settings = emptied(broker)
    with Workers(tmp_path_factory.mktemp("workers")) as workers:
        workers.start(settings).wait_until_logged("restored: partitions [")
        yield settings


@pytest.fixture
def say(live, tmp_path):
    """Run a command on that Kafka."""

    def run(*arguments, **more):
        return journeys(*arguments, "--bootstrap-servers", live.bootstrap_servers, cwd=tmp_path, **more)

    return run


def touchpoint(journey_id: str) -> str:
    """Line of a touchpoint of now."""
    line = {"journey_id": journey_id, "touchpoint_id": "t-1", "occurred_at": now_ms(), "cost": "2.50"}
    return json.dumps(line) + "\n"


def test_a_journey_is_extended_abandoned_and_then_refused(say):
    """Each answer names the command's outcome; a refusal exits with 1."""
    assert say("produce", "-", input=touchpoint("hand")).returncode == 0
    extended = say("extend", "hand", "--days", "7", "--note", "asked for an offer")
    assert extended.returncode == 0, extended.stderr
    command, answer = extended.stdout.splitlines()
    assert command.startswith("command ")
    assert answer.startswith("extended to ")
    abandoned = say("abandon", "hand", "--note", "asked to be left alone")
    assert abandoned.returncode == 0
    answer = abandoned.stdout.splitlines()[1]
    assert answer.startswith("abandoned at ")
    assert "MANUAL_TERMINATION, penalty 0.29 dollars" in answer
    again = say("abandon", "hand")
    assert (again.returncode, again.stdout.splitlines()[1]) == (1, "refused: already_abandoned")
    unknown = say("extend", "nobody", "--days", "1")
    assert (unknown.returncode, unknown.stdout.splitlines()[1]) == (1, "refused: unknown_journey")
    shown = say("show", "hand").stdout
    assert "ended: MANUAL_TERMINATION" in shown
    assert "asked for an offer" in shown


def test_a_command_of_the_future_is_a_dead_letter(say):
    """Which is an answer too: live topics take nothing that lies far ahead of their own time."""
    result = say("abandon", "hand", "--at", "2126-01-01T00:00:00Z")
    assert result.returncode == 1
    assert result.stdout.splitlines()[1].startswith("not taken, a dead letter now: occurred_at: '2126-01-01")


def test_history_is_not_imported_into_live_time(say, tmp_path):
    """One line and exit 2."""
    (tmp_path / "in.jsonl").write_text(touchpoint("history"))
    result = say("import", "in.jsonl")
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert "keeps live time" in result.stderr


def test_watch_counts_from_its_start_on_or_from_the_beginning(say, live):
    """Reason, penalty and the journey, each abandonment once; what was before is not there unless asked for."""
    say("produce", "-", input=touchpoint("watched"))
    assert say("abandon", "watched").returncode == 0
    values = [raw.value for raws in asyncio.run(read(live, JOURNEY_ABANDONMENTS)).values() for raw in raws]
    count = len({Codec().decode(value).abandonment_id for value in values})
    for options, expected in ((["--seconds", "1"], 0), (["--seconds", "8", "--from-beginning"], count)):
        watched = say("watch", *options)
        assert (watched.returncode, watched.stderr) == (0, "")
        row = next(line for line in watched.stdout.splitlines() if line.startswith(" abandonments"))
        assert row.split("│")[1].strip() == str(expected)
        assert ("watched" in watched.stdout.partition(" journey ")[2]) is (expected > 0)
