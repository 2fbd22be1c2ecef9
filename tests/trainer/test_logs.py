"""Logs of a training run: JSON lines with ids of journeys and abandonments, without users or notes."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import structlog

from training_orchestrator import ConfigurationError, JourneyTimeoutManager

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import asyncio
from training_orchestrator import JourneyTimeoutManager, UnknownJourneyError, log_as_json
{setup}
BEGIN, DAY = 1_760_000_000_000, 86_400_000
at = BEGIN
async def main():
    global at
    async with JourneyTimeoutManager(store_path="store.sqlite3", now=lambda: at) as manager:
        await manager.record_touchpoint("journey-1", cost=1, user_id="anna@example.org")
        await manager.mark_abandoned("journey-1", "USER_FATIGUE", note="Anna is angry", requested_by="bob")
        at += DAY
        await manager.record_touchpoint("journey-1", state="CONVERTED", user_id="anna@example.org")
        try:
            await manager.mark_abandoned("journey-2", requested_by="bob")
        except UnknownJourneyError:
            pass
        booked = await manager.abandonments(manager.present().replace(year=2020))
        print(*[each.abandonment_id for each in booked])
asyncio.run(main())
"""


def run(tmp_path, setup):
    """Run it; returns its output and its log."""
    command = [sys.executable, "-c", PROGRAM.format(setup=setup)]
    ran = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    return ran.stdout.split(), ran.stderr


def test_json_lines_name_journey_and_abandonment_and_no_person(tmp_path):
    """Abandonments, returns, conversions, refusals; neither users nor notes."""
    (abandonment_id,), log = run(tmp_path, "log_as_json()")
    engine, *said = [json.loads(line) for line in log.splitlines()]
    assert engine["event"].startswith("engine: ")
    assert [(line["event"], line["journey_id"], line.get("abandonment_id")) for line in said] == [
        ("journey abandoned", "journey-1", abandonment_id),
        ("journey returned", "journey-1", abandonment_id),
        ("journey converted", "journey-1", abandonment_id),
        ("request refused", "journey-2", None),
    ]
    assert said[0]["reason"] == "USER_FATIGUE"
    assert said[0]["total_penalty_micros"] > 0
    assert {(line["level"], line["logger"]) for line in said} == {("info", "journeys.trainer")}
    assert not any(word in log for word in ("anna", "Anna", "angry", "bob"))


def test_a_level_is_kept(tmp_path):
    """Warnings only: none here."""
    assert run(tmp_path, "log_as_json('warning')")[1] == ""


def test_a_program_that_sets_up_nothing_hears_nothing(tmp_path):
    """A library does not print."""
    printed, log = run(tmp_path, "")
    assert (len(printed), log) == (1, "")


def test_a_log_is_written_off_the_loop_in_the_context_of_the_caller(tmp_path, caplog):
    """Thousands of ends at once must not hold the trainer's loop; what the trainer has bound goes with each."""

    async def run():
        structlog.contextvars.bind_contextvars(seed="seed-7")
        async with JourneyTimeoutManager(store_path=tmp_path / "s.sqlite3") as manager:
            await manager.record_touchpoint("journey-1", cost=1)
            await manager.mark_abandoned("journey-1")

    with caplog.at_level("INFO", "journeys.trainer"):
        asyncio.run(run())
    (said,) = [record for record in caplog.records if record.message == "journey abandoned"]
    assert (said.journey_id, said.seed) == ("journey-1", "seed-7")
    assert said.thread != threading.get_ident()


@pytest.mark.usefixtures("each_engine")
def test_a_manager_says_which_engine_runs_and_why(tmp_path, caplog):
    """One line as it starts; where it is not the compiled one, with what gives that."""

    async def start():
        async with JourneyTimeoutManager(store_path=tmp_path / "store.sqlite3"):
            pass

    with caplog.at_level("INFO", "journeys.trainer"):
        asyncio.run(start())
    (line,) = [record.message for record in caplog.records if record.message.startswith("engine: ")]
    assert (
        line
        == {
            "compiled": "engine: compiled (installed and built for these schemas)",
            "reference": "engine: reference (set so); for the compiled one, set JOURNEYS_ENGINE to auto or compiled",
        }[os.environ["JOURNEYS_ENGINE"]]
    )


def test_an_unknown_engine_is_refused(tmp_path, monkeypatch):
    """Among them the name of one that there was; the error names those that there are."""
    monkeypatch.setenv("JOURNEYS_ENGINE", "python")

    async def start():
        async with JourneyTimeoutManager(store_path=tmp_path / "store.sqlite3"):
            pass

    with pytest.raises(ConfigurationError, match="is 'python': set it to auto, compiled or reference"):
        asyncio.run(start())
