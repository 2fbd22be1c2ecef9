"""Commands that write to and read from a real Kafka, without a worker."""

import asyncio
import json
import os
import pty
import signal
import time

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition

from journeys.agents.kafka.connection import admin
from journeys.schemas.records import JourneyCommand, PolicyChanged, Punctuation, Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.rule.policy import policy_from_toml
from tests.fixtures.fresh_kafka import bare, emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import read_inputs

from .console_script import journeys, started
from .history import HISTORY, SILENT, TOUCHPOINTS, matches, read_lines, write_lines

pytestmark = pytest.mark.broker


@pytest.fixture
def kafka(broker, cli, monkeypatch):
    """Settings of a Kafka with empty topics, which the commands find in the environment."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    return emptied(broker)


def inputs(settings):
    """Records of the input topic, partition by partition, in one list."""
    return [record for records in asyncio.run(read_inputs(settings)).values() for record in records]


def punctuations(settings):
    """Those of each partition."""
    found = asyncio.run(read_inputs(settings))
    return {number: [r for r in records if isinstance(r, Punctuation)] for number, records in found.items()}


def test_topics_are_missing_then_created_then_as_they_must_be(broker, cli, monkeypatch):
    """Exit 1 while they are missing; creating them twice is fine."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    bare(broker)
    missing = cli("topics", "check")
    assert missing.exit_code == 1
    assert missing.stdout.count("error: ") == 5
    created = cli("topics", "create", "--partitions", "3")
    assert (created.exit_code, created.stdout.count("created")) == (0, 5)
    assert cli("topics", "create", "--partitions", "8").stdout.count("│ 3          │ was there") == 5
    checked = cli("topics", "check")
    assert (checked.exit_code, checked.stdout) == (0, "all topics are as they must be\n")


def test_produce_takes_what_is_valid_and_names_the_rest(kafka, cli, tmp_path):
    """Punctuations are rejected: time on a live topic belongs to workers."""
    punctuation = {"kind": "punctuation", "at": "2026-01-02T00:00:00Z"}
    path = write_lines(tmp_path / "in.jsonl", [*HISTORY, punctuation, {**HISTORY[0], "cost": -1}, "{"])
    result = cli("produce", path)
    assert result.exit_code == 0
    *rejected, last = result.stderr.splitlines()
    assert [line.partition("in.jsonl: ")[2].split(": ")[:2] for line in rejected] == [
        ["line 10", "kind"],
        ["line 11", "cost"],
        ["line 12", "line"],
    ]
    assert last == "journeys: 9 records produced, 3 lines rejected"
    assert len(inputs(kafka)) == 9
    assert sum(isinstance(record, Touchpoint) for record in inputs(kafka)) == 8
    assert cli("produce", path, "--strict").exit_code == 2


def test_produce_sends_what_a_slow_pipe_has_said(kafka, tmp_path):
    """A line is in the topic while the next one is being waited for; Ctrl-C then is quiet."""
    with started("produce", "-", "-b", kafka.bootstrap_servers, cwd=tmp_path) as process:
        process.stdin.write(json.dumps(HISTORY[0]) + "\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not inputs(kafka):
            assert process.poll() is None
            assert time.monotonic() < deadline, "the line was not sent"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == ""


def test_produce_shows_how_far_it_is_on_a_terminal_only(kafka, tmp_path):
    """A bar on standard error, if that is a terminal."""
    path = write_lines(tmp_path / "in.jsonl", HISTORY)
    ours, theirs = pty.openpty()
    with started("produce", path, "-b", kafka.bootstrap_servers, cwd=tmp_path, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while b"records produced" not in shown:
            shown += os.read(ours, 4096)
        assert process.wait(60) == 0
    os.close(ours)
    assert b"producing" in shown
    assert "producing" not in journeys("produce", path, "-b", kafka.bootstrap_servers, cwd=tmp_path).stderr


def test_import_brings_its_own_time(kafka, cli, tmp_path):
    """A punctuation in every partition at the beginning, each so many minutes, and at the end. Bad lines are told."""
    path = write_lines(tmp_path / "in.jsonl", [*HISTORY, "nonsense"])
    result = cli("import", path, "--every", "2880")
    assert result.exit_code == 0
    assert "in.jsonl: line 10: " in result.stderr
    assert "9 records and 5 punctuations imported, from 2026-01-01T00:00:00.000Z to 2026-01-08" in result.stderr
    assert [len(found) for found in punctuations(kafka).values()] == [6] * 4, "the first says whose time it is"
    more = ("--strict", "--until", "2026-01-01T00:00:00Z", "--behind", "take")
    assert cli("import", path, *more).exit_code == 0, "the bad line is behind"


def test_import_keeps_the_time_that_a_file_holds(kafka, cli, tmp_path):
    """Those punctuations and no others."""
    lines = [*HISTORY, {"kind": "punctuation", "at": "2026-01-09T00:00:00Z"}]
    assert cli("import", write_lines(tmp_path / "in.jsonl", lines)).exit_code == 0
    assert [len(found) for found in punctuations(kafka).values()] == [2] * 4, "the first says whose time it is"


def test_replay_of_the_topic_gives_what_replay_of_the_file_gives(kafka, cli, tmp_path):
    """But for when it was noticed, and with its provenance."""
    path = write_lines(tmp_path / "in.jsonl", HISTORY)
    assert cli("import", path).exit_code == 0
    of_topic = cli("replay", "topic:journey-events", "--lifecycle", "lifecycle.jsonl")
    assert of_topic.exit_code == 0
    found = {line["journey_id"]: line for line in read_lines(of_topic.stdout)}
    assert set(found) == {"silent", "lost"}
    assert matches(found["silent"], SILENT | {"source_topic": "journey-events"})
    by_file = {line["abandonment_id"] for line in read_lines(cli("replay", path).stdout)}
    assert {line["abandonment_id"] for line in found.values()} == by_file
    assert len(read_lines((tmp_path / "lifecycle.jsonl").read_text())) == 4
    assert read_lines(cli("replay", "topic:journey-events", "--until", "2026-01-02T00:00:00Z").stdout) == []


def test_verify_counts_and_exits_with_1_unless_live_equals_replay(kafka, cli, tmp_path):
    """Nothing published: all is missing. Worked through: all is equal."""
    cli("import", write_lines(tmp_path / "in.jsonl", HISTORY))
    missing = cli("verify", "--differences", "1")
    assert missing.exit_code == 1
    row = next(line for line in missing.stdout.splitlines() if "journey-abandonments" in line)
    assert [cell.strip() for cell in row.split("│")[1:]] == ["0", "2", "0", "0", "0"]
    assert "input records were not processed yet" in missing.stderr
    asyncio.run(work_through(kafka))
    equal = cli("verify")
    assert equal.exit_code == 0
    row = next(line for line in equal.stdout.splitlines() if "journey-abandonments" in line)
    assert [cell.strip() for cell in row.split("│")[1:]] == ["2", "0", "0", "0", "0"]
    assert "records = 9 applied + 0 late" in equal.stdout


def test_verify_and_replay_say_that_the_head_is_gone(kafka, cli, tmp_path):
    """One line and exit 2: what is left can't be replayed to what live gave."""
    cli("produce", write_lines(tmp_path / "in.jsonl", HISTORY))

    full = [number for number, records in asyncio.run(read_inputs(kafka)).items() if records]

    async def forget() -> None:
        async with admin(kafka) as client:
            await client.delete_records({TopicPartition(JOURNEY_EVENTS, full[0]): RecordsToDelete(1)})

    asyncio.run(forget())
    for command in (["verify"], ["replay", "topic:journey-events"]):
        result = cli(*command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1


def test_a_policy_is_set_in_every_partition_and_then_in_force(kafka, cli, tmp_path):
    """Default before; the version of another content is refused."""
    assert 'in force in partitions 0, 1, 2, 3\nversion = "default-1"' in cli("policy", "show").stdout
    (tmp_path / "one.toml").write_text('version = "one"\n[deadlines]\ntimeout_days = 7\n')
    (tmp_path / "other.toml").write_text('version = "one"\n[deadlines]\ntimeout_days = 9\n')
    result = cli("policy", "set", "one.toml", "--requested-by", "ann")
    assert (result.exit_code, result.stderr) == (0, "journeys: policy one appended to 4 partitions\n")
    changed = inputs(kafka)
    assert all(isinstance(record, PolicyChanged) for record in changed)
    assert [record.requested_by for record in changed] == ["ann"] * 4
    asyncio.run(work_through(kafka))
    shown = cli("policy", "show").stdout
    first, _, text = shown.partition("\n")
    assert first == "# in force in partitions 0, 1, 2, 3"
    assert policy_from_toml(text) == policy_from_toml((tmp_path / "one.toml").read_text())
    taken = cli("policy", "set", "other.toml")
    assert taken.exit_code == 2
    assert taken.stderr == (
        "journeys: version 'one' is in the log with another content: give this policy a new version\n"
    )
    assert len(inputs(kafka)) == 4


def test_show_tells_the_row_and_the_history_of_a_journey(kafka, cli, tmp_path):
    """Open, ended, and never seen (exit 1)."""
    lines = [line for line in TOUCHPOINTS if line["journey_id"] != "lost"]
    cli("import", write_lines(tmp_path / "in.jsonl", lines), "--until", "2026-01-04T00:00:00Z")
    asyncio.run(work_through(kafka))
    is_open = cli("show", "silent")
    assert is_open.exit_code == 0
    for text in ("open", "AWARE", "25.00", "2026-01-06T00:00:00.000Z", "2026-01-15T00:00:00.000Z", "started"):
        assert text in is_open.stdout
    ended = cli("show", "bought")
    assert "ended: CONVERTED" in ended.stdout
    assert "converted" in ended.stdout
    unknown = cli("show", "nobody")
    assert unknown.exit_code == 1
    assert "never seen, or deleted since" in unknown.stdout


def test_a_command_can_be_sent_without_waiting(kafka, cli):
    """Its id is printed, and stands in the record with who asked."""
    result = cli("extend", "j", "--days", "1.5", "--no-wait", "--requested-by", "ann", "--note", "please")
    assert result.exit_code == 0
    (record,) = inputs(kafka)
    assert result.stdout == f"command {record.command_id}\n"
    assert isinstance(record, JourneyCommand)
    assert (record.command, record.extend_by_ms, record.requested_by, record.note) == (
        "extend",
        129_600_000,
        "ann",
        "please",
    )
    assert abs(record.occurred_at - time.time() * 1000) < 600_000


def test_without_a_worker_there_is_no_answer(kafka, cli):
    """Said as such, with exit 1; the command stays in the log, where a worker will find it."""
    result = cli("abandon", "j", "--wait-seconds", "0.5")
    assert result.exit_code == 1
    assert result.stdout.endswith("no answer within 0.5 s: is a worker running?\n")
    assert len(inputs(kafka)) == 1


def test_now_means_nothing_to_a_topic_of_simulated_time(kafka, cli, tmp_path):
    """The instant has to be said; nothing is sent without it."""
    cli("import", write_lines(tmp_path / "in.jsonl", TOUCHPOINTS))
    count = len(inputs(kafka))
    refused = cli("abandon", "silent", "--no-wait")
    assert refused.exit_code == 2
    assert "this topic keeps simulated time" in refused.stderr
    assert len(inputs(kafka)) == count
    sent = cli("abandon", "silent", "--no-wait", "--at", "2026-01-04T00:00:00Z", "--reason", "TIMEOUT")
    assert sent.exit_code == 0
    assert len(inputs(kafka)) == count + 1
