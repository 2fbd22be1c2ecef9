"""Commands that read topics, of which producers fill everything with texts that would harm a terminal."""

import asyncio
import json
import tomllib

import pytest

from journeys.schemas.codec import Codec
from journeys.schemas.printable import printable
from journeys.schemas.records import PolicyChanged
from journeys.schemas.topics import JOURNEY_ABANDONMENTS, JOURNEY_EVENTS
from journeys.streams.rule.policy import Policy
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.hostile import HOSTILE, unfit_for_terminal
from tests.fixtures.pure_worker import work_through
from tests.fixtures.topic_contents import DAY, START_AT, Raw, home, produce, punctuation, touch, write

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ALL = "".join(text for text in HOSTILE.values() if text != "x[")


def test_row_14_topics_full_of_hostile_texts(broker, cli, monkeypatch, tmp_path):
    """Shown, listed, compared, watched, exported and refused; with outputs missing, so that they are named."""
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    settings = emptied(broker)
    version = ALL[:200]
    policy = Policy(version=version)
    touchpoints = [touch(text, 1, 5, channel=text)._replace(user_id=text) for text in HOSTILE.values()]
    spoilt = [one._replace(state=one.journey_id, touchpoint_id=f"{one.journey_id} again") for one in touchpoints]
    codec = Codec()

    async def fill() -> None:
        await produce(settings, [punctuation(0), PolicyChanged(version, policy.to_json(), START_AT, ALL), *touchpoints])
        raws = [Raw(JOURNEY_EVENTS, home(one.journey_id), one.journey_id.encode(), codec.encode(one)) for one in spoilt]
        raws += [Raw(JOURNEY_EVENTS, 0, text.encode(), text.encode()) for text in HOSTILE.values()]
        await write(settings, raws)
        await produce(settings, [punctuation(40 * DAY)])
        await work_through(settings, lambda written: [raw for raw in written if not is_dropped(raw)])

    dropped = []

    def is_dropped(raw: Raw) -> bool:
        if raw.topic == JOURNEY_ABANDONMENTS and raw.key is not None:
            dropped.append(raw.key.decode())
        return raw.topic == JOURNEY_ABANDONMENTS and len(dropped) % 2 == 1

    def shown(*words: str, exit_code: int = 0) -> str:
        result = cli(*words)
        written = result.stdout + result.stderr
        assert result.exit_code == exit_code, (words, written)
        assert unfit_for_terminal(written) == "", words
        return written

    asyncio.run(fill())
    for text in HOSTILE.values():
        assert printable(text) in shown("show", text)
        assert json.loads(cli("show", text, "--json").stdout)["journey_id"] == text
    listed = shown("dead-letters", "list")
    assert "2 " in listed
    letters = json.loads(cli("dead-letters", "list", "--json").stdout)["dead_letters"]
    assert len(letters) == 2 * len(HOSTILE)
    for letter in letters:
        shown("dead-letters", "show", letter["record"])
    shown("dead-letters", "retry", letters[0]["record"], "--again", exit_code=1)
    said = shown("verify", "--differences", "1000", exit_code=1)
    assert all(printable(name) in said for name in dropped[::2])
    shown("check")
    assert tomllib.loads(shown("policy", "show"))["version"] == version
    assert printable("[/bold]") in shown("watch", "--from-beginning", "--seconds", "2")
    shown("topics", "check")
    shown("replay", "topic:journey-events", "-q", "--output", "out.jsonl")
    assert set(HOSTILE.values()) <= {json.loads(line)["journey_id"] for line in open("out.jsonl", encoding="utf-8")}  # noqa: PTH123, SIM115
    shown("backtest", "topic:journey-events", "-q")
    shown("export")
    shown("report")
    (tmp_path / "bad.jsonl").write_text(
        "\n".join(
            json.dumps({"journey_id": text, "occurred_at": text, "touchpoint_id": text}) for text in HOSTILE.values()
        )
    )
    shown("produce", "bad.jsonl", "-q", exit_code=2)
    shown("import", "bad.jsonl", "-q", exit_code=2)
    shown("abandon", ALL, "--at", "2026-01-01T00:00:00Z", "--wait-seconds", "0.1", exit_code=1)
    shown("policy", "show", "-b", "nowhere.test:1" + "\x1b[2J", exit_code=2)
