"""`--json` of the commands that ask a real Kafka."""

import asyncio

import pytest

from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import Raw, write

from .history import HISTORY, write_lines
from .json_keys import checked

pytestmark = pytest.mark.broker


@pytest.fixture
def kafka(broker, cli, monkeypatch):
    """Settings of a Kafka with empty topics, which the commands find in the environment."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    return emptied(broker)


@pytest.fixture
def document(cli):
    """Give what runs a command with --json and returns its document, as the page has it."""

    def run(*words, path=None, exit_code=0):
        result = cli(*words, "--json")
        assert (result.exit_code, result.stderr) == (exit_code, ""), result.output
        return checked(" ".join(words[: path or 1]), result.stdout)

    return run


def test_history_on_topics(kafka, document, tmp_path):
    """Topics checked, history imported, worked through, replayed, verified, exported and reported."""
    assert document("topics", "create", path=2)["topics"][0]["created"] is False
    assert document("topics", "check", path=2)["ok"]
    path = write_lines(tmp_path / "history.jsonl", HISTORY)
    imported = document("import", path)
    assert (imported["records"], imported["bad_lines"]) == (len(HISTORY), 0)
    asyncio.run(work_through(kafka))
    replayed = document("replay", "topic:journey-events", "--output", "out.jsonl")
    assert (replayed["records"], replayed["bad_lines"], replayed["dead_letters"]) == (len(HISTORY), None, 0)
    verified = document("verify")
    assert verified["ok"]
    assert verified["topics"][0]["equal"] == sum(replayed["abandonments"].values())
    tested = document("backtest", "topic:journey-events", "-q")["policies"][0]
    # A comparison ends at the last record, the import's own time 91 days later.
    assert sum(tested["abandonments"].values()) + tested["open"] == verified["topics"][0]["equal"]
    shown = document("show", "lost")
    assert [record["abandonment_reason"] for record in shown["abandonments"]] == ["COMPETITOR_CONVERSION"]
    (in_force,) = document("policy", "show", path=2)["policies"]
    assert (in_force["version"], in_force["partitions"]) == ("default-1", [0, 1, 2, 3])
    checked_table = document("check")
    assert (checked_table["ok"], checked_table["rebuilt"], checked_table["topics"]) == (True, None, None)
    tables = document("export")["tables"]
    assert {table["folder"].rpartition("/")[2]: table["rows"] for table in tables}["journey_touchpoints"] == 8
    assert document("report")["outcomes"][0]["abandonments"] == verified["topics"][0]["equal"]


def test_lines_and_policies(kafka, document, tmp_path):
    """What was produced and what is in force."""
    path = write_lines(tmp_path / "touchpoints.jsonl", HISTORY[:2])
    assert document("produce", path) == {"produced": 2, "rejected": 0}
    (tmp_path / "p.toml").write_text('version = "p-1"\n')
    assert document("policy", "set", "p.toml", path=2) == {"version": "p-1", "partitions": 4}
    asyncio.run(work_through(kafka))
    assert document("show", "nobody", exit_code=1)["has_row"] is False


def test_dead_letters(kafka, document):
    """Listed, shown, and retried in vain: exit code 1."""
    asyncio.run(write(kafka, [Raw("journey-events", 0, b"\x1b[2J", b"no record")]))
    asyncio.run(work_through(kafka))
    listed = document("dead-letters", "list", path=2)
    assert (listed["count"], listed["retried"]) == (1, 0)
    place = listed["dead_letters"][0]["record"]
    shown = document("dead-letters", "show", place, path=2)
    assert bytes.fromhex(shown["key_hex"]) == b"\x1b[2J"
    assert bytes.fromhex(shown["value_hex"]) == b"no record"
    retried = document("dead-letters", "retry", place, path=2, exit_code=1)
    assert (retried["sent"], retried["failed"]) == (0, 1)
    assert retried["records"][0]["outcome"] == "failed"
