"""The code of docs/trainer.md and the examples, run as it is: without a server, and against a real Kafka."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import training_orchestrator
from tests.fixtures.fresh_kafka import emptied
from tests.live.verified import verified

from .documents import ROOT, blocks, run_python

PROMISED = [
    """timeout_manager = create_timeout_manager(timeout_days=14, project_id="your-project", dataset_id="gaelp")
await timeout_manager.start()
await timeout_manager.register_journey(journey_id="journey-123", start_time=datetime.now(), user_id="user-456")
timed_out = await timeout_manager.check_timeouts()
penalty = await timeout_manager.mark_abandoned(journey_id="journey-123", reason=AbandonmentReason.COMPETITOR_CONVERSION)
""",
    """\
config = TrainingConfiguration(journey_timeout_days=14, inactivity_threshold_hours=72, cleanup_stale_data_days=30)
orchestrator = TrainingOrchestrator(config)
await orchestrator.start_journey_monitoring()
await orchestrator.register_training_journey(journey_id="training-journey-789", user_id="training-user-123")
timed_out = await orchestrator.check_journey_timeouts()
analytics = await orchestrator.get_journey_abandonment_analytics(days=30)
""",
]


@pytest.fixture
def nothing_set(monkeypatch, tmp_path):
    """Run in an empty folder, without settings."""
    for name in os.environ:
        if name.startswith("JOURNEYS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def hold(names):
    """Assert the results that the page describes."""
    assert (names["timed_out"], names["analytics"].abandonments) == ([], 2)
    assert names["penalty"].abandonment_reason == "COMPETITOR_CONVERSION"
    assert names["penalty"].total > 0
    assert names["rewards"] == {"journey-123": 0, "journey-124": -2.0}  # what was spent
    assert names["figures"].is_healthy
    assert [(each.action_id, each.reward) for each in names["late"]] == [("bid-1", names["rewards"]["journey-124"])]
    assert (names["dataset"].rows, names["dataset"].credited) == (1, names["rewards"]["journey-124"])
    assert names["dataset"].uncredited == names["rewards"]["journey-123"]


def test_the_promised_blocks_stand_in_the_page_verbatim():
    """As users were promised them."""
    page = "".join(blocks("docs/trainer.md", "python"))
    assert all(block in page for block in PROMISED)


@pytest.mark.usefixtures("nothing_set")
def test_the_page_runs_embedded_with_nothing_running():
    """From the first line to the rewards."""
    hold(run_python("docs/trainer.md"))


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.usefixtures("nothing_set")
def test_the_page_runs_connected(broker, workers, monkeypatch):
    """The same text; a worker decides."""
    settings = emptied(broker)
    workers.start(settings).wait_until_logged("restored: partitions [0, 1, 2, 3]")
    monkeypatch.setenv("JOURNEYS_BOOTSTRAP_SERVERS", settings.bootstrap_servers)
    hold(run_python("docs/trainer.md"))
    workers.wait_until_applied(settings)
    verified(settings)


@pytest.mark.usefixtures("nothing_set")
def test_the_example_runs(tmp_path):
    """As a program, twice: the second time the store is there already."""
    for count in (1, 2):
        command = [sys.executable, str(ROOT / "examples/journey_timeout_example.py")]
        run = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
        )
        assert f"{count} abandoned in 30 days" in run.stdout
    assert (tmp_path / ".journeys" / "training.sqlite3").is_file()


def test_every_name_that_is_exported_is_there_and_documented():
    """Lazily imported ones, too; each has a docstring."""
    for name in {*training_orchestrator.__all__, *training_orchestrator._LAZY}:
        assert getattr(training_orchestrator, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute"):
        _ = training_orchestrator.nothing


@pytest.mark.usefixtures("nothing_set")
def test_the_learning_example_runs():
    """A short form, twice: all agents, through wrapper and feed; one run is like the other, to the last point drawn."""
    drawn = []
    for name in ("first.svg", "second.svg"):
        command = [sys.executable, str(ROOT / "examples/learning_example.py"), "--seeds", "2", "--days", "6"]
        run = subprocess.run(
            [*command, "--plot", name],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        rows = [line.split("  ")[0] for line in run.stdout.splitlines()[2:]]
        assert rows == [
            *("conversions", "abandonments", "own spend"),
            *("abandonments, difference", "own spend, difference"),
        ]
        drawn.append((run.stdout, Path(name).read_bytes()))
    assert drawn[0] == drawn[1]
