"""A local copy and what the changelog has behind it."""

import random

import pytest

from journeys.clock import now_ms
from journeys.schemas.rows import PARTITION_KEY, PartitionRow, PolicyRow, policy_key
from journeys.streams.partition.restore import Restore
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import DEFAULT_POLICY
from journeys.streams.stored.stored_row import StoredRow
from tests.fixtures.local_copies import CODEC, begun, journey, opened, tombstone

POLICY = StoredRow(
    policy_key(DEFAULT_POLICY.version),
    CODEC.encode(PolicyRow(0, DEFAULT_POLICY.version, DEFAULT_POLICY.to_json())),
    0,
)


def made_changelog(chance: random.Random) -> list[StoredRow]:
    """Changelog in which stale rows of frozen workers stand behind newer ones."""
    records = [POLICY]
    for offset in range(1, 60):
        written_at = max(1, offset - chance.randrange(1, 20)) if chance.random() < 0.3 else offset
        name = f"journey-{chance.randrange(8)}"
        records.append(tombstone(name, written_at) if chance.random() < 0.2 else journey(name, written_at))
        if chance.random() < 0.3:
            row = PartitionRow(written_at, None, "live", DEFAULT_POLICY.version, 2)
            records.append(StoredRow(PARTITION_KEY, CODEC.encode(row), written_at))
    return records


def restored(kept: list[StoredRow], records: list[StoredRow]) -> tuple[Restore, Partition, list[StoredRow]]:
    """Restore of kept rows and records, the partition that it makes, the rows to write again."""
    restore = Restore(kept)
    for record in records:
        restore.add(*record)
    partition = Partition(0, 2)
    return restore, partition, restore.onto(partition, CODEC)


def content(partition: Partition) -> dict[str, object]:
    """All that a partition was restored to."""
    return {
        "rows": {name: row.stored() for name, row in partition.rows.items()},
        "row": partition.row(),
    }


@pytest.mark.parametrize("seed", range(40))
def test_a_copy_and_the_tail_are_the_whole_changelog(tmp_path, seed):
    """Wherever the cut falls, and whoever wrote stale rows on either side of it: the greatest offset wins."""
    chance = random.Random(seed)
    records = made_changelog(chance)
    cut = chance.randrange(1, len(records))
    restore, _, rewrites = restored([], records[:cut])
    head = records[:cut] + rewrites
    store = begun(tmp_path)
    store.put(0, restore.winners(), None, now_ms())
    store.put(0, rewrites, len(head) - 1, now_ms())
    store.close()

    tail = records[cut:]
    _, whole, wanted_rewrites = restored([], head + tail)
    restore, partition, rewrites = restored(list(opened(tmp_path).rows(0)), tail)
    assert content(partition) == content(whole)
    assert sorted(rewrites) == sorted(wanted_rewrites)
    assert restore.read == len(tail)
    assert restore.kept == len({row.key for row in head})
