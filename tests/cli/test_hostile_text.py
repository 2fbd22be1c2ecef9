"""Texts of others that would be markup, move a cursor, hide, or turn a line: shown as they are by every command."""

import asyncio
import json
import logging

import pytest

from journeys.agents.history.backtest import engine_is_there
from journeys.agents.settings.log_setup import set_up_logging
from journeys.agents.settings.settings import Settings
from journeys.schemas.printable import printable, printable_traceback
from tests.bigquery.exports import hostile_export
from tests.fixtures.hostile import HOSTILE, unfit_for_terminal
from training_orchestrator import JourneyTimeoutManager

AT = "2026-01-0{}T00:00:00Z"
each = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture
def shown(cli):
    """Run a command; give what it wrote to both streams, of which nothing may harm a terminal."""

    def run(*words: str, exit_code: int = 0) -> str:
        result = cli(*words)
        written = result.stdout + result.stderr
        assert result.exit_code == exit_code, (words, written, result.exception)
        assert unfit_for_terminal(written) == "", words
        assert "Traceback" not in written
        return written

    return run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Give a store with a journey for each text, and the text wherever a producer may put one."""
    path = tmp_path_factory.mktemp("store") / "live.sqlite3"

    async def run():
        async with JourneyTimeoutManager(store_path=path) as manager:
            for text in HOSTILE.values():
                await manager.record_touchpoint(text, user_id=text, touchpoint_id=text, channel=text, cost=1)

    asyncio.run(run())
    return str(path)


@each
def test_row_14_show_of_a_hostile_id(shown, cli, store, text):
    """Id, user and note, in tables and lines; --json has them to the letter; so do commands on the journey."""
    assert printable(text) in shown("show", text, "--store", store)
    assert json.loads(cli("show", text, "--store", store, "--json").stdout)["journey_id"] == text
    shown("extend", text, "--days", "1", "--store", store, "--note", text, "--requested-by", text)
    refused = shown("extend", "never seen" + text, "--days", "1", "--store", store, exit_code=1)
    assert "refused" in refused
    assert printable(text) in shown("show", text, "--store", store)


def test_a_store_of_hostile_ids_is_checked(shown, store):
    """Ids stand in differences, of which there are none; a file's name stands in the error."""
    shown("check", "--store", store)
    for text in HOSTILE.values():
        if "\0" not in text:
            name = text.replace("/", ".")
            assert printable(name.replace("\n", "; ")) in shown("check", "--store", name, exit_code=2)


@each
def test_row_14_policy_check_of_a_hostile_version(shown, cli, tmp_path, text):
    """As a heading, in JSON, and in what is said of a policy that is wrong."""
    file = tmp_path / "p.toml"
    file.write_text(f"version = {_toml(text)}\n[deadlines]\ninactivity_hours = 24\n", "utf-8")
    assert printable(text) in shown("policy", "check", str(file))
    assert json.loads(cli("policy", "check", str(file), "--json").stdout)["version"] == text
    file.write_text(f"version = 'x'\n[deadlines]\n{_toml(text)} = 24\n", "utf-8")
    shown("policy", "check", str(file), exit_code=2)
    file.write_text(f"version = 'x'\n[deadlines]\ninactivity_hours = {_toml(text)}\n", "utf-8")
    shown("policy", "check", str(file), exit_code=2)
    file.write_text(f"version = 'x'\nnot TOML {text}", "utf-8")
    shown("policy", "check", str(file), exit_code=2)


def test_a_byte_order_mark_is_no_error(shown, tmp_path):
    """Editors on Windows write one before a policy."""
    (tmp_path / "p.toml").write_text('version = "bom-1"\n[deadlines]\ninactivity_hours = 24\n', "utf-8-sig")
    assert "bom-1" in shown("policy", "check", "p.toml")


def test_hostile_lines_of_a_file(shown, cli, tmp_path):
    """Ids of good lines in replayed outputs, values of bad ones in what is said of them; file names; and --json."""
    good = [
        {"journey_id": text, "touchpoint_id": text, "occurred_at": AT.format(1), "cost": 1, "channel": text}
        for text in HOSTILE.values()
    ]
    bad = [one | {"state": one["journey_id"]} for one in good] + [
        one | {"occurred_at": one["journey_id"]} for one in good
    ]
    (tmp_path / "h.jsonl").write_text("\n".join(map(json.dumps, good + bad)))
    shown("replay", "h.jsonl", "-q", "--until", "2026-03-01T00:00:00Z", "--output", "out.jsonl", exit_code=0)
    written = [json.loads(line)["journey_id"] for line in (tmp_path / "out.jsonl").read_text().split("\n") if line]
    assert set(written) == set(HOSTILE.values())
    if engine_is_there():
        shown("pack", "h.jsonl", "--output", "h.parquet")
    for number, text in enumerate(HOSTILE.values()):
        policy = f"version = {_toml(text)}\n[deadlines]\ninactivity_hours = {number + 1}\n"
        (tmp_path / f"{number}.toml").write_text(policy, "utf-8")
    policies = [word for number in range(len(HOSTILE)) for word in ("--policy", f"{number}.toml")]
    shown("backtest", "h.parquet" if engine_is_there() else "h.jsonl", *policies)
    for text in HOSTILE.values():
        if "\0" in text:
            continue
        name = text.replace("/", ".")
        for words in (["replay", name], ["pack", name, "--output", "x"], ["produce", name], ["policy", "check", name]):
            # A line feed in an expected error is a semicolon: some list faults, one a line.
            assert printable(name.replace("\n", "; ")) in shown(*words, exit_code=2)
        shown(name, exit_code=2)
        shown("replay", "h.jsonl", f"--{name}", exit_code=2)
        shown("report", "--days", name, exit_code=2)
        shown("dead-letters", "show", name, exit_code=2)


def test_hostile_settings(shown, monkeypatch):
    """Values of the environment, shown and refused."""
    for text in HOSTILE.values():
        if "\0" in text:
            continue
        monkeypatch.setenv("JOURNEYS_WORKER_ID", text)
        assert printable(text) in shown("config")
        monkeypatch.setenv("JOURNEYS_STORE", text)
        shown("config", exit_code=2)
        monkeypatch.delenv("JOURNEYS_STORE")


def test_row_14_report_of_hostile_names(shown, cli, tmp_path):
    """Channels and policies in tables, and to the letter in JSON."""
    folder = str(hostile_export(tmp_path / "parquet"))
    written = shown("report", "--folder", folder)
    document = json.loads(cli("report", "--folder", folder, "--json").stdout)
    for column, name in (("by_channel", "channel"), ("by_policy", "policy_version")):
        assert {row[name] for row in document[column]} == set(HOSTILE.values())
    for text in HOSTILE.values():
        assert written.count(printable(text)) >= 2


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_log_line_is_one_line(capfd, log_format):
    """Whatever an id or an error text holds: no line of the log can be forged, nor hidden."""
    logger = logging.getLogger("journeys.test")
    before, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        set_up_logging(Settings(_env_file=None, log_format=log_format))
        for text in HOSTILE.values():
            logger.warning("refused: %s", text, extra={"why": text})
            capfd_lines = capfd.readouterr().err.splitlines()
            assert len(capfd_lines) == 1
            assert unfit_for_terminal(capfd_lines[0]) == ""
            try:
                raise ValueError(text)
            except ValueError:
                logger.exception("failed")
            first, *others = capfd.readouterr().err.rstrip("\n").split("\n")
            assert unfit_for_terminal(first + "".join(others)) == ""
            assert all(line.startswith(("  ", "Traceback")) for line in others)
    finally:
        logging.getLogger().handlers[:] = before
        logging.getLogger().setLevel(level)


def test_a_traceback_forges_no_line():
    """From its second line on it is indented."""
    assert (
        printable_traceback("ValueError: a\njourneys: all is well\n\x1b")
        == "ValueError: a\n  journeys: all is well\n  \\x1b"
    )


def _toml(text: str) -> str:
    return '"' + "".join(f"\\U{ord(letter):08x}" for letter in text) + '"'
