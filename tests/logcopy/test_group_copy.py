"""A copied log decides as the old one: random logs, any counts, killed anywhere."""

import random
from collections import Counter

import pytest

from journeys.agents.logcopy.copied_records import origin_of
from journeys.agents.logcopy.copy_groups import copy_groups
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import Punctuation, Touchpoint

from .old_logs import BEGIN, CODEC, DAY, Log, abandonments, copied, cut, on_time_log

LAST = BEGIN + 400 * DAY
SEEDS = range(5)


def undated(found):
    """The same abandonments, whenever each was noticed."""
    return {id_: record._replace(detected_at=0) for id_, record in found.items()}


@pytest.mark.parametrize("counts", [(4, 4), (4, 16), (4, 8), (1, 5), (3, 6)], ids=str)
def test_a_split_decides_the_same_and_at_the_same_time(counts):
    """Every record of a journey, and every punctuation before and behind it, in the same order."""
    old_count, new_count = counts
    for seed in SEEDS:
        log = on_time_log(old_count, seed)
        new = copied(log, new_count, chance=random.Random(seed))
        was = abandonments(log, LAST)
        assert len(was) > 20
        assert abandonments(new, LAST) == was, seed


@pytest.mark.parametrize("counts", [(4, 2), (16, 4), (4, 1), (4, 6), (3, 2), (6, 4)], ids=str)
def test_a_merge_decides_the_same_whenever_it_is_noticed(counts):
    """Policies too: a journey begins under that which was in force in its old partition."""
    old_count, new_count = counts
    for seed in SEEDS:
        log = on_time_log(old_count, seed)
        new = copied(log, new_count, chance=random.Random(seed))
        assert undated(abandonments(new, LAST)) == undated(abandonments(log, LAST)), seed


def test_there_and_back_is_the_same():
    """4 to 16 and back to 4."""
    for seed in SEEDS:
        log = on_time_log(4, seed)
        back = copied(copied(log, 16), 4)
        assert undated(abandonments(back, LAST)) == undated(abandonments(log, LAST)), seed


@pytest.mark.parametrize("counts", [(4, 16), (4, 4), (16, 4), (4, 6)], ids=str)
def test_a_copy_that_is_killed_goes_on_without_a_record_twice(counts):
    """Whatever of each new partition was written: the next run writes the rest, once."""
    old_count, new_count = counts
    for seed in SEEDS:
        chance = random.Random(seed)
        log = on_time_log(old_count, seed)
        whole = copied(log, new_count)
        new = cut(whole, chance)
        for _ in range(2):
            new = cut(copied(log, new_count, present=new, chance=chance), chance)
        new = copied(log, new_count, present=new, chance=chance)
        of_journeys = [(origin_of(one.headers), one.key) for part in new.partitions for one in part if one.key]
        assert max(Counter(of_journeys).values()) == 1
        assert sorted(of_journeys) == sorted(
            (origin_of(one.headers), one.key) for part in whole.partitions for one in part if one.key
        )
        equal = undated if (old_count % new_count == 0 and old_count != new_count) or new_count % old_count else dict
        assert equal(abandonments(new, LAST)) == equal(abandonments(log, LAST)), seed


def test_dead_letters_are_left_out_and_everything_lies_where_its_key_belongs():
    """The new log has none, and each record names where it came from."""
    log = on_time_log(4, 3)
    new = copied(log, 6)
    for number, records in enumerate(new.partitions):
        for record in records:
            decoded = CODEC.decode_input(record.value)
            assert origin_of(record.headers) is not None
            assert isinstance(decoded, Punctuation) or record.key is None or partition_of(record.key, 6) == number


def test_a_record_that_came_too_early_or_under_another_key_is_a_dead_letter_in_neither_log_twice():
    """What its append time makes a dead letter would be a fine record by the copy's later append time."""
    log = Log(1)
    log.say(Punctuation(BEGIN, "live"), BEGIN, 0)
    ahead = Touchpoint("journey-1", None, "t-1", BEGIN + 2 * DAY)
    log.say(ahead, BEGIN)
    log.add(0, b"another", CODEC.encode(ahead), BEGIN)
    new = copied(log, 2)
    assert [len(records) for records in new.partitions] == [1, 1]  # the punctuation


def test_partitions_added_to_a_log_in_use_are_mended():
    """The kind of log that added partitions leave: each record goes by its key, in order of append times."""
    before, after = on_time_log(2, 5, events=150), on_time_log(2, 5, events=300)
    broken = Log(4, [list(records) for records in before.partitions] + [[], []])
    for number, records in enumerate(after.partitions):
        for record in records[len(before.partitions[number]) :]:
            home = number if record.key is None else partition_of(record.key, 4)
            broken.add(home, record.key, record.value, record.timestamp)
    new = copied(broken, 4, placed=False)
    assert undated(abandonments(new, LAST)) == undated(abandonments(after, LAST))


def test_groups_hold_every_partition_once():
    """And a key of an old partition lies in a new one of its group."""
    for old_count in range(1, 13):
        for new_count in range(1, 13):
            groups = copy_groups(old_count, new_count)
            assert sorted(number for group in groups for number in group.sources) == list(range(old_count))
            assert sorted(number for group in groups for number in group.targets) == list(range(new_count))
            for key in (f"journey-{number}".encode() for number in range(50)):
                old, new = partition_of(key, old_count), partition_of(key, new_count)
                assert any(old in group.sources and new in group.targets for group in groups)
