"""Feeds of a replay's files."""

import json
import subprocess
import sys

import pytest

from training_orchestrator import AbandonmentFeed, StoreUnavailableError

from .feed_of_store import PENALTY, all_of, replay_files, split
from .store_of_journeys import BEGIN, DAY


def test_a_replays_files_give_the_same(full_store, tmp_path):
    """Abandonments first, then their corrections; nothing else differs."""
    with AbandonmentFeed.from_files(*replay_files(full_store, tmp_path), rewards=PENALTY) as feed:
        assert list(feed) == [item for part in split(all_of(full_store)) for item in part]


def test_files_of_the_command_line_are_read(tmp_path):
    """The output of `journeys replay` as it is."""
    lines = [
        {"journey_id": "a", "touchpoint_id": "1", "occurred_at": BEGIN, "cost": 25, "state": "AWARE"},
        {"journey_id": "a", "touchpoint_id": "2", "occurred_at": BEGIN + 20 * DAY, "cost": 1, "state": "INTENT"},
    ]
    (tmp_path / "touchpoints.jsonl").write_text("\n".join(map(json.dumps, lines)))
    command = ["replay", "touchpoints.jsonl", "--output", "abandonments.jsonl", "--lifecycle", "lifecycle.jsonl"]
    command += ["--until", str(BEGIN + 40 * DAY)]  # without it a history ends at its last record
    subprocess.run([sys.executable, "-m", "journeys.cli", *command], cwd=tmp_path, check=True, capture_output=True)
    with AbandonmentFeed.from_files(tmp_path / "abandonments.jsonl", tmp_path / "lifecycle.jsonl") as feed:
        assert [(item.kind, item.journey_id) for item in feed] == [
            ("abandonment", "a"),
            ("abandonment", "a"),
            ("correction", "a"),
        ]


def test_a_file_that_is_wrong_is_told_with_its_line(tmp_path):
    """It is an error, not skipped."""
    path = tmp_path / "abandonments.jsonl"
    path.write_text('{"journey_id": "a"}\n')
    with (
        AbandonmentFeed.from_files(path, rewards=PENALTY) as feed,
        pytest.raises(StoreUnavailableError, match="line 1"),
    ):
        list(feed)
    with (
        AbandonmentFeed.from_files(tmp_path / "none", rewards=PENALTY) as feed,
        pytest.raises(StoreUnavailableError, match="No such"),
    ):
        list(feed)
