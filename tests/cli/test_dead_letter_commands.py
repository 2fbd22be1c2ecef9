"""`journeys dead-letters` on a real Kafka, without a worker: what is listed, shown, sent again and refused."""

import asyncio
import json

import pytest

from journeys.agents.inspect.dead_letters import Place
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.records import PolicyChanged, Punctuation, Touchpoint
from journeys.schemas.topics import JOURNEY_EVENTS
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import Raw, home, read, touch, write

pytestmark = pytest.mark.broker

CODEC = Codec()
NOW = now_ms()
WIDE = {"COLUMNS": "220"}
DAY_MS = 86_400_000


def encoded(record, **fields):
    """Encode a record with some of its fields as they must not be."""
    return CODEC.encode_fields(type(record).__name__, record._asdict() | fields)


def letter_of(journey_id, value, partition=None):
    """Kafka record of a bad value in the journey's partition."""
    number = home(journey_id) if partition is None else partition
    return Raw(JOURNEY_EVENTS, number, journey_id.encode(), value)


@pytest.fixture
def kafka(broker, cli, monkeypatch):
    """Settings of a Kafka with empty topics, which the commands find in the environment."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    return emptied(broker)


@pytest.fixture
def poisoned(kafka):
    """Seven dead letters of five kinds; gives settings and the places of their records."""
    good = Touchpoint("j", None, "t", NOW, cost_micros=1_000_000)
    raws = [
        letter_of("j", encoded(good, state="HAPPY")),
        letter_of("j", encoded(good, state="\x1b[2J[red]")),
        letter_of("k", encoded(good, journey_id="k", cost_micros=-1)),
        letter_of("j", CODEC.encode(good), (home("j") + 1) % 4),
        letter_of("j", CODEC.encode(good)[:-3]),
        Raw(JOURNEY_EVENTS, 0, None, encoded(Punctuation(NOW, "sundial"))),
        Raw(JOURNEY_EVENTS, 1, None, CODEC.encode(PolicyChanged("a", '{"version":"a","\\u001b[2J":1}', NOW))),
    ]
    asyncio.run(write(kafka, raws))
    asyncio.run(work_through(kafka))
    return kafka, places(kafka, raws)


def places(settings, raws):
    """Where records that were written to an empty topic are."""
    found = asyncio.run(read(settings))
    offsets = {(number, record.value): record.offset for number, records in found.items() for record in records}
    return [f"{JOURNEY_EVENTS}:{raw.partition}:{offsets[raw.partition, raw.value]}" for raw in raws]


def retried(settings):
    """Records of the input topic that say what they are a retry of: record, and its headers."""
    found = asyncio.run(read(settings))
    return [
        (CODEC.decode_input(record.value), {name: value.decode() for name, value in record.headers})
        for records in found.values()
        for record in records
        if record.headers
    ]


def counted(table):
    """Counts by the first words of a reason."""
    return {row.split("│")[0].strip()[:30]: row.split("│")[1].strip() for row in table.splitlines() if "│" in row}


def test_list_counts_by_reason_and_filters(poisoned, cli):
    """Values are left out of the counts; filters leave what they say; nothing moves the cursor."""
    _, where = poisoned
    listed = cli("dead-letters", "list", env=WIDE)
    assert listed.exit_code == 0
    assert all(place in listed.stdout for place in where)
    assert "\x1b" not in listed.stdout
    assert "expected a policy (\\x1b[2J" in listed.stdout
    assert "[red]" in listed.stdout
    letters, counts = listed.stdout.split("by reason")
    assert letters.count("not allowed") == 7
    rows = counted(counts)
    assert rows["state: expected one of UNAWARE"] == "2"
    assert rows["cost_micros: expected ... to ."] == "1"
    assert rows["all"] == "7"

    assert cli("dead-letters", "list", "--reason", "COST_micros", env=WIDE).stdout.count(" is not allowed") == 1
    of_one = cli("dead-letters", "list", "--partition", str(home("k")), "--reason", "cost", env=WIDE).stdout
    assert where[2] in of_one
    assert cli("dead-letters", "list", "--partition", "9").stdout == "no dead letters\n"
    tomorrow = str(NOW + DAY_MS)
    assert cli("dead-letters", "list", "--since", tomorrow).stdout == "no dead letters\n"
    assert cli("dead-letters", "list", "--since", str(NOW - DAY_MS), env=WIDE).stdout == listed.stdout
    assert cli("dead-letters", "list", "--limit", "0", env=WIDE).stdout.count(" is not allowed") == 0


def test_show_reads_a_value_as_far_as_it_is_one(poisoned, cli):
    """Fields, what stopped the reading, bytes; or that there is no such letter."""
    _, where = poisoned
    happy = cli("dead-letters", "show", where[0], env=WIDE)
    assert happy.exit_code == 0
    said = {row.split("│")[0].strip(): row.split("│")[1].strip() for row in happy.stdout.splitlines() if "│" in row}
    assert said["record"] == where[0]
    assert said["reason"].startswith("state: ")
    assert said["key"] == "'j'"
    assert said["value"] == "Touchpoint"
    assert said["state"] == "'HAPPY'"
    assert said["occurred_at"].startswith(f"{NOW} (20")
    assert said["retried as"] == "not retried"
    assert "\x1b" not in cli("dead-letters", "show", where[1], env=WIDE).stdout
    cut = cli("dead-letters", "show", where[4], env=WIDE).stdout
    assert "can't be read at byte" in cut
    assert "touchpoint_id" in cut
    assert "first bytes" in cut
    missing = cli("dead-letters", "show", f"{JOURNEY_EVENTS}:3:99")
    assert missing.exit_code == 2
    assert missing.stderr == (
        f"journeys: {JOURNEY_EVENTS}:3:99: no dead letter is about this record; see journeys dead-letters list\n"
    )


@pytest.mark.parametrize(
    "place", ["journey-events:1", "journey-events:x:1", ":1:1", "journey-events:1:-1", "a:\u0661:1"]
)
def test_a_place_that_is_none(cli, place):
    """Wrong usage, which needs no broker."""
    result = cli("dead-letters", "show", place)
    assert result.exit_code == 2
    assert "TOPIC:PARTITION:OFFSET" in result.stderr


def test_retry_with_a_correction_is_done_once(poisoned, cli, tmp_path):
    """It goes to its journey's partition, names where it came from, and is not sent twice unless that is asked for."""
    settings, where = poisoned
    line = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": NOW, "cost": "1", "state": "AWARE"}
    (tmp_path / "one.jsonl").write_text(json.dumps(line))
    first = cli("dead-letters", "retry", where[0], "--with", "one.jsonl")
    assert (first.exit_code, first.stdout) == (0, f"{where[0]}: sent\n")
    ((record, headers),) = retried(settings)
    assert record == Touchpoint("j", None, "t", NOW, state="AWARE", cost_micros=1_000_000)
    assert headers["journeys-retry-of"] == where[0]
    assert headers["journeys-dead-letter"].startswith(f"journey-events.dead-letter:{home('j')}:")

    second = cli("dead-letters", "retry", where[0], "--with", "one.jsonl")
    assert (second.exit_code, second.stdout) == (0, "")
    assert f"{where[0]}: retried already as {JOURNEY_EVENTS}:{home('j')}:" in second.stderr
    assert len(retried(settings)) == 1
    assert "0 sent, 1 had been retried already" in second.stderr
    assert cli("dead-letters", "list", env=WIDE).stdout.count(f"{JOURNEY_EVENTS}:{home('j')}:3") == 1
    assert f"{JOURNEY_EVENTS}:{home('j')}:3" in cli("dead-letters", "show", where[0], env=WIDE).stdout

    third = cli("dead-letters", "retry", where[0], "--with", "one.jsonl", "--again")
    assert (third.exit_code, third.stdout) == (0, f"{where[0]}: sent\n")
    assert len(retried(settings)) == 2


def test_retry_of_all_sends_what_is_valid_by_now_and_names_the_rest(poisoned, cli):
    """The one that a wrong partitioner had sent astray; exit code 1 for the others. A second run sends nothing."""
    settings, where = poisoned
    result = cli("dead-letters", "retry", "--all")
    assert (result.exit_code, result.stdout) == (1, f"{where[3]}: sent\n")
    assert "1 sent, 0 had been retried already, 6 failed" in result.stderr
    assert f"{where[0]}: state: 'HAPPY' is not allowed; expected one of UNAWARE" in result.stderr
    assert f"{where[5]}: a punctuation is never retried: time belongs to workers and imports" in result.stderr
    assert f"{where[6]}: a policy is not retried: put it in force with journeys policy set" in result.stderr
    ((record, _),) = retried(settings)
    assert record == Touchpoint("j", None, "t", NOW, cost_micros=1_000_000)
    assert "0 sent, 1 had been retried already, 6 failed" in cli("dead-letters", "retry", "--all").stderr
    chosen = cli("dead-letters", "retry", "--all", "--reason", "cost")
    assert "0 sent, 0 had been retried already, 1 failed" in chosen.stderr


def test_a_retry_that_is_dead_again_is_told(poisoned, cli, tmp_path):
    """It is a dead letter of its own, published twice as after a crash, and the first names it."""
    settings, where = poisoned
    ahead = touch("j", 1, 0)._replace(occurred_at=NOW + 10_000)
    (tmp_path / "one.jsonl").write_text(
        json.dumps({"journey_id": "j", "touchpoint_id": "t", "occurred_at": ahead.occurred_at, "cost": 1})
    )
    assert cli("dead-letters", "retry", where[0], "--with", "one.jsonl").exit_code == 0
    before = len(asyncio.run(read(settings, "journey-events.dead-letter"))[home("j")])

    def spoil(raws):
        """Say of the retried record what a worker under another policy would: that it is dead."""
        again = Place(JOURNEY_EVENTS, home("j"), 3)
        letters = [raw for raw in raws if raw.topic.endswith(".dead-letter") and raw.partition == home("j")]
        letter = CODEC.decode(letters[0].value)._replace(offset=again.offset)
        return 2 * [letters[0]._replace(key=str(again).encode(), value=CODEC.encode(letter))]

    asyncio.run(work_through(settings, spoil))
    assert len(asyncio.run(read(settings, "journey-events.dead-letter"))[home("j")]) == before + 2
    listed = cli("dead-letters", "list", env=WIDE).stdout
    assert f"{JOURNEY_EVENTS}:{home('j')}:3 (dead again)" in listed
    assert counted(listed.split("by reason")[1])["all"] == "8", "what was published twice counts once"


def test_what_lies_ahead_of_time_is_refused_until_its_time_has_come(kafka, cli, tmp_path):
    """On a live topic it would be a dead letter again; on one of simulated time it would not."""
    asyncio.run(write(kafka, [letter_of("j", encoded(Touchpoint("j", None, "t", NOW), state="HAPPY"))]))
    asyncio.run(work_through(kafka))
    place = f"{JOURNEY_EVENTS}:{home('j')}:0"
    line = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": NOW + 2 * DAY_MS, "cost": "1"}
    (tmp_path / "one.jsonl").write_text(json.dumps(line))
    result = cli("dead-letters", "retry", place, "--with", "one.jsonl")
    assert result.exit_code == 1
    assert f"{place}: occurred_at: '20" in result.stderr
    assert retried(kafka) == []
    asyncio.run(write(kafka, [Raw(JOURNEY_EVENTS, 0, None, CODEC.encode(Punctuation(NOW, "simulated")))]))
    assert cli("dead-letters", "retry", place, "--with", "one.jsonl").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name one TOPIC:PARTITION:OFFSET"),
        (["journey-events:1:1", "--all"], "name one TOPIC:PARTITION:OFFSET"),
        (["journey-events:1:1", "--reason", "x"], "a filter goes with --all"),
        (["--all", "--with", "one.jsonl"], "a corrected record stands for one"),
        (["journey-events:1:1", "--with", "two.jsonl"], "2 lines; expected one"),
        (["journey-events:1:1", "--with", "bad.jsonl"], "bad.jsonl: line 1: cost: -1"),
        (["journey-events:1:1", "--with", "time.jsonl"], "a punctuation is never retried"),
    ],
)
def test_wrong_usage_of_retry(cli, tmp_path, arguments, complaint):
    """Found before anything is asked of a broker."""
    line = {"journey_id": "j", "touchpoint_id": "t", "occurred_at": NOW, "cost": -1}
    (tmp_path / "bad.jsonl").write_text(json.dumps(line))
    (tmp_path / "two.jsonl").write_text(2 * (json.dumps(line) + "\n"))
    (tmp_path / "one.jsonl").write_text(json.dumps(line | {"cost": 1}))
    (tmp_path / "time.jsonl").write_text('{"kind": "punctuation", "at": "2026-01-02T00:00:00Z"}')
    result = cli("dead-letters", "retry", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
