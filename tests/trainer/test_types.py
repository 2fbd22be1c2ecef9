"""The types of the API, checked by mypy: mistakes are errors, and results have their types."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# `# R: type` is what an expression is taken for, `# E: code` an error that a user is told of.
PROGRAM = """\
from typing import reveal_type

from training_orchestrator import (
    AbandonmentFeed,
    AbandonmentReason,
    BadCheckpointError,
    CorrectionRule,
    InvalidRecordError,
    JourneyRewards,
    RewardRule,
    TimeoutConfiguration,
    TouchpointProducer,
    TrainingConfiguration,
    TrainingOrchestrator,
    create_timeout_manager,
    export_dataset,
)
from training_orchestrator import Nonsense  # E: attr-defined


async def manage() -> None:
    async with create_timeout_manager(timeout_days=14, store_path="x", redis_url=None) as manager:
        reveal_type(await manager.check_timeouts())  # R: list[AbandonedJourney]
        reveal_type(await manager.mark_abandoned("a", AbandonmentReason.TIMEOUT))  # R: AbandonmentPenalty
        reveal_type(await manager.extend_timeout("a", 7))  # R: datetime
        reveal_type(await manager.cleanup_stale_data())  # R: int | None
        reveal_type((await manager.metrics()).redis_breaker)  # R: str | None
        await manager.record_touchpoint("a", state="AWARE", cost="1.25", propensity=0.5)
        await manager.record_touchpoint("a", sate="AWARE")  # E: call-arg
        await manager.record_touchpoint("a", state=3)  # E: arg-type
        await manager.register_journey("a", "2026-01-31")  # E: arg-type
    create_timeout_manager(timout=3)  # E: call-arg


async def orchestrate() -> None:
    TrainingOrchestrator(TimeoutConfiguration())  # E: arg-type
    orchestrator = TrainingOrchestrator(TrainingConfiguration(), store_path="x", project_id="p")
    await orchestrator.mark_abandoned("a", note=3)  # E: arg-type
    reveal_type(await orchestrator.get_journey_abandonment_analytics(30))  # R: AbandonmentAnalytics
    try:
        await orchestrator.record_touchpoint("a", cost=-1)
    except InvalidRecordError as error:
        reveal_type(error.field)  # R: str


def learn() -> None:
    with AbandonmentFeed.from_settings(start="earlier") as feed:  # E: arg-type
        for batch in feed.batches(256, 1.0):
            for item in batch:
                if item.kind == "abandonment":
                    reveal_type(item)  # R: AbandonmentItem
                elif item.kind == "correction":
                    reveal_type(item)  # R: CorrectionItem
                reveal_type(item.reward)  # R: float
        reveal_type(feed.checkpoint())  # R: bytes
    AbandonmentFeed.from_kafka("a:9092", rewards=RewardRule(scale=0.1), corrections=CorrectionRule("conversion"))
    AbandonmentFeed.from_kafka("a:9092", reward=RewardRule())  # E: call-arg
    reveal_type(export_dataset("steps.parquet"))  # R: ExportedDataset
    reveal_type(JourneyRewards)  # R: def
    reveal_type(BadCheckpointError("x").args)  # R: tuple[Any, ...]


async def produce() -> None:
    async with TouchpointProducer() as producer:
        await producer.send("a", state="AWARE")
        await producer.send("a", costs=1)  # E: call-arg
"""


def marks(pattern, text):
    """Text after a mark, by line."""
    found = (re.search(pattern, line) for line in text.splitlines())
    return {number: mark[1] for number, mark in enumerate(found, start=1) if mark is not None}


@pytest.mark.slow
def test_mypy_says_of_a_users_program_what_it_should(tmp_path):
    """Strictly, line by line: each expected error and no other, each type as it is marked."""
    (tmp_path / "program.py").write_text(PROGRAM)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--show-error-codes", "program.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stderr == ""
    said = [line.split(":", 3)[1:] for line in checked.stdout.splitlines() if line.startswith("program.py:")]
    errors = {int(line): text[text.rindex("[") + 1 : -1] for line, kind, text in said if kind == " error"}
    assert errors == marks(r"# E: (\S+)$", PROGRAM), checked.stdout
    revealed = {int(line): re.sub(r"[\w.]+\.(?=\w)", "", text) for line, _, text in said if "Revealed type" in text}
    wanted = marks(r"# R: (.+)$", PROGRAM)
    assert revealed.keys() == wanted.keys(), checked.stdout
    assert {line: told for line, told in revealed.items() if wanted[line] not in told} == {}
