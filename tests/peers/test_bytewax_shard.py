"""The Bytewax peer's rule, which needs no Bytewax."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from benchmarks.peers.bytewax.abandonments import encoded
from benchmarks.peers.bytewax.progress import Progress
from benchmarks.peers.bytewax.shard import Ended, Shard
from benchmarks.peers.reference import Reference
from benchmarks.peers.trace import PROGRESS_FILE, ProgressFile
from journeys.schemas.codec import Codec
from journeys.schemas.instants import SECOND_MS
from journeys.schemas.records import CONVERTED, Touchpoint


def _rows(touchpoints: list[Touchpoint]) -> list[tuple[object, ...]]:
    return [
        (
            one.journey_id,
            one.user_id,
            one.occurred_at,
            one.state,
            one.cost_micros,
            one.conversion_probability,
            one.conversion_value_micros,
        )
        for one in touchpoints
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_shard_ends_what_the_core_ends(seed: int, touchpoints: list[Touchpoint], reference: Reference):
    """However its input is cut, and though it is stored and made anew between two batches."""
    chance = Random(seed)
    shard = Shard()
    ended: list[Ended] = []
    rows = _rows(touchpoints)
    while rows:
        count = chance.randint(1, 400)
        ended += shard.apply(rows[:count])
        rows = rows[count:]
        if chance.random() < 0.5:
            shard = Shard(shard.stored())
    codec = Codec()
    published = [codec.decode_fields(value)[1] for _, value in encoded(ended, codec)]
    assert len(published) >= reference.required
    assert reference.disagreement(published) == ""


def test_what_is_stored_does_not_change(touchpoints: list[Touchpoint]):
    """Bytewax writes a snapshot while the shard goes on."""
    rows = _rows(touchpoints)
    half = len(rows) // 2
    shard = Shard()
    shard.apply(rows[:half])
    stored = shard.stored()
    before = repr(stored)
    shard.apply(rows[half:])
    assert repr(stored) == before
    assert repr(shard.stored()) != before


def test_entries_of_ended_episodes_fall_out():
    """A journey that opens and converts again and again leaves the deadlines of three days, no more."""
    shard = Shard()
    states = ("AWARE", CONVERTED)
    # It opens every 50 minutes and is open whenever the deadline of an earlier episode comes up.
    rows = [("j", None, number * 25 * 60 * SECOND_MS, states[number % 2], 0, None, None) for number in range(2_000)]
    assert shard.apply(rows) == []
    episodes, heap = shard.stored()
    assert episodes == {}
    assert 86 <= len(heap) <= 87


async def _window(folder: Path) -> tuple[float, float, int]:
    return await ProgressFile().window(None, [folder])  # type: ignore[arg-type]  # it needs no settings


def test_progress_is_written_when_all_is_processed(tmp_path: Path):
    """The file is there as a whole with the last touchpoint, not before."""
    import asyncio  # noqa: PLC0415

    progress = Progress(3, tmp_path / PROGRESS_FILE)
    progress.begin()
    progress.add(2)
    assert list(tmp_path.iterdir()) == []
    progress.begin()
    progress.add(1)
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_FILE]
    assert json.loads((tmp_path / PROGRESS_FILE).read_text())["processed"] == 3
    begins_at, ends_at, processed = asyncio.run(_window(tmp_path))
    assert 0 < begins_at <= ends_at
    assert processed == 3
