"""`journeys backtest topic:journey-events` comes to what the same records in files come to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow.parquet import read_table
from typer.testing import CliRunner, Result

from journeys.agents.demo.load_generator import generate
from journeys.agents.settings.settings import Settings
from journeys.agents.verify.topic_replay import TopicReplay
from journeys.cli.main import app
from journeys.schemas.codec import Codec
from journeys.schemas.lines import parse_line
from journeys.schemas.records import JourneyRecord, PolicyChanged, Punctuation
from journeys.schemas.topics import JOURNEY_EVENTS
from journeys.streams.rule.policy import DEFAULT_POLICY
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.left_out import left_out
from tests.fixtures.topic_contents import Raw, home, produce, punctuation, touch, write

pytest.importorskip("journeys.engine", reason=left_out("engine"))
pytestmark = pytest.mark.broker

_HASTY = 'version = "hasty-1"\n[deadlines]\ninactivity_hours = 24\n'
_IN_2100 = 4_102_444_800_000
_SOURCE = f"topic:{JOURNEY_EVENTS}"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in an empty folder that holds a policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("hasty.toml").write_text(_HASTY, encoding="utf-8")
    return lambda *arguments: CliRunner().invoke(app, arguments)


def comparison(cli: Callable[..., Result], *arguments: str) -> tuple[Result, list[dict[str, Any]]]:
    """Run a backtest of the default policy's successor and give its rows as Parquet."""
    done = cli("backtest", *arguments, "--policy", "hasty.toml", "--output", "comparison.parquet")
    assert done.exit_code == 0, done.stderr
    return done, read_table("comparison.parquet").to_pylist()


def lines(name: str, said: list[dict[str, Any]]) -> str:
    """Write a file of lines."""
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in said), encoding="utf-8")
    return name


def test_one_partition_is_one_file(broker: Any, cli: Callable[..., Result]) -> None:
    """The same table, numbers and abandonments, by the engine and by the Python rule, however the topic keeps time."""
    settings = emptied(broker, partitions=1)
    said = list(generate(300, seed=3))
    records = [parse_line(line) for line in said]
    asyncio.run(produce(settings, _with_time(records)))
    file = lines("history.jsonl", said)
    servers = ("--bootstrap-servers", settings.bootstrap_servers)
    expected, rows = comparison(cli, file, "--abandonments", "of-file.parquet")
    found, found_rows = comparison(cli, _SOURCE, *servers, "--memory", "16", "--abandonments", "of-topic.parquet")
    by_python, python_rows = comparison(cli, _SOURCE, *servers, "--reference")
    assert rows[0]["abandonments"] > 300
    assert found_rows == python_rows == rows
    assert found.stdout == by_python.stdout == expected.stdout
    assert _sorted("of-topic.parquet") == _sorted("of-file.parquet")
    assert "4 punctuations and policies of the topic were left out" in found.stderr


def test_partitions_are_files_of_their_own_and_dead_letters_are_left_out(
    broker: Any, cli: Callable[..., Result]
) -> None:
    """Garbage, another journey's key, another partition's journey, a time that lies ahead: as a replay counts them."""
    settings = emptied(broker)
    said = list(generate(200, seed=4))
    asyncio.run(produce(settings, [punctuation(-300 * 86_400_000, "live"), *map(parse_line, said)]))
    ahead, stray = touch("ahead", 1, 0)._replace(occurred_at=_IN_2100), touch("stray", 1, 0)
    encode, elsewhere = Codec().encode, (home("stray") + 1) % 4
    raws = [
        Raw(JOURNEY_EVENTS, 0, b"a", b"garbage"),
        Raw(JOURNEY_EVENTS, 1, b"not-its-key", encode(stray)),
        Raw(JOURNEY_EVENTS, elsewhere, b"stray", encode(stray)),
        Raw(JOURNEY_EVENTS, home("ahead"), b"ahead", encode(ahead)),
    ]
    asyncio.run(write(settings, raws))

    total: dict[str, Any] = {}
    for number in range(4):
        mine = [line for line in said if home(line["journey_id"]) == number]
        _, (row,) = comparison(cli, lines(f"{number}.jsonl", mine))
        for name, value in row.items():
            most = name == "detection_ms_most"
            known = total.get(name)
            total[name] = (
                value if known is None or isinstance(value, str) else max(known, value) if most else known + value
            )
    found, (row,) = comparison(cli, _SOURCE, "--bootstrap-servers", str(settings.bootstrap_servers))
    assert row == total
    assert row["journeys"] > 150
    for place in (
        f"{JOURNEY_EVENTS}[0]: offset ",
        f"{JOURNEY_EVENTS}[1]: offset ",
        f"{JOURNEY_EVENTS}[{elsewhere}]: offset ",
        f"{JOURNEY_EVENTS}[{home('ahead')}]: offset ",
    ):
        assert place in found.stderr
    assert found.stderr.count(": offset ") == len(raws) == asyncio.run(_dead(settings))


def test_another_topic_is_refused(cli: Callable[..., Result]) -> None:
    """Only the input topic holds what can be run again."""
    refused = cli("backtest", "topic:journey-lifecycle", "--bootstrap-servers", "127.0.0.1:1")
    assert refused.exit_code == 2
    assert "topic:journey-lifecycle: only topic:journey-events" in refused.stderr


def _with_time(records: list[JourneyRecord]) -> list[Any]:
    """Records as a topic has them: with punctuations, one of them far behind, and a policy in their midst."""
    first, last, middle = records[0].occurred_at, records[-1].occurred_at, len(records) // 2
    changed = PolicyChanged(DEFAULT_POLICY.version, DEFAULT_POLICY.to_json(), first)
    times = [Punctuation(at, "simulated") for at in (first - 1, last - 40 * 86_400_000, last)]
    return [times[0], *records[:middle], changed, times[1], *records[middle:], times[2]]


def _sorted(name: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(map(str, row.values())) for row in read_table(name).to_pylist())


async def _dead(settings: Settings) -> int:
    replay = TopicReplay(settings)
    async for _ in replay.effects():
        pass
    return replay.counts.dead
