"""Check finds exactly what was taken away, added, altered and left ahead in the stored table, and nothing else."""

import asyncio
from collections import Counter

import pytest

from journeys.agents.demo.load_generator import generate
from journeys.agents.kafka.tombstone import TOMBSTONE_OFFSET_HEADER
from journeys.agents.verify.table_check import check_table
from journeys.schemas.codec import Codec
from journeys.schemas.lines import parse_line
from journeys.schemas.records import PolicyChanged
from journeys.schemas.rows import PARTITION_KEY, journey_key, policy_key
from journeys.schemas.topics import changelog_name
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.pure_worker import work_through
from tests.fixtures.row_versions import AFTER, written_as
from tests.fixtures.topic_contents import DAY, HOUR, START_AT, Raw, home, produce, punctuation, touch
from tests.properties.policies import POLICIES

pytestmark = pytest.mark.broker
CODEC = Codec()
CHANGELOG = changelog_name("journeys")
OPEN = [f"open-{number}" for number in range(40)]


def brought(policy) -> PolicyChanged:
    """Make the record that puts a policy in force."""
    return PolicyChanged(policy.version, policy.to_json(), START_AT, "test")


@pytest.fixture
def settings(broker):
    """Give settings of a Kafka whose input topic holds 2,000 records; 40 journeys are open, some are forgotten."""
    settings = emptied(broker)
    records = [parse_line(line) for line in generate(200, seed=11)]
    latest = max(record.occurred_at for record in records) - START_AT
    fresh = [touch(name, 1, latest + n) for n, name in enumerate(OPEN)]
    unused, used = brought(POLICIES[0]), brought(POLICIES[4])
    asyncio.run(produce(settings, [punctuation(-300 * DAY), *records, punctuation(latest - DAY), unused, used, *fresh]))
    asyncio.run(produce(settings, [punctuation(latest + HOUR)]))
    return settings


def checked(settings, **more):
    """Check, and give the report with its counts: equal, missing, extra, different, ahead."""
    report = asyncio.run(check_table(settings, **more))
    found = {
        counts.kind: (counts.equal, counts.missing, counts.extra, counts.different, counts.ahead)
        for counts in report.counts
    }
    return report, found


def latest_rows(raws: list[Raw]) -> dict[tuple[int, bytes], Raw]:
    """Last record of each key of the changelog."""
    return {(raw.partition, raw.key): raw for raw in raws if raw.topic == CHANGELOG}


def journeys_of(raws: list[Raw]) -> list[Raw]:
    """Latest rows of journeys that are there."""
    return [raw for (_, key), raw in latest_rows(raws).items() if key[:1] == b"j" and raw.value is not None]


def altered(raw: Raw, **fields) -> Raw:
    """Change fields of a journey's row."""
    name, stored = CODEC.decode_fields(raw.value)
    return raw._replace(value=CODEC.encode_fields(name, stored | fields))


def is_own(raw: Raw, number: int = 0) -> bool:
    """Whether it is the own row of a partition."""
    return (raw.topic, raw.partition, raw.key) == (CHANGELOG, number, PARTITION_KEY)


def test_what_a_worker_stored_faithfully_is_equal(settings):
    """Every row of every kind, at the offsets of the partitions' own rows."""
    written = asyncio.run(work_through(settings))
    progress = []
    report, found = checked(settings, progress=lambda read, total: progress.append((read, total)))
    assert report.ok
    assert found == {
        "journeys": (len(journeys_of(written)), 0, 0, 0, 0),
        "policies": (12, 0, 0, 0, 0),  # in each partition the default and the two that were brought
        "partitions": (4, 0, 0, 0, 0),
        "marks": (0, 0, 0, 0, 0),
    }
    assert len(OPEN) < report.open_journeys < len(journeys_of(written))
    assert any(raw.value is None for raw in written), "no journey was forgotten"
    assert report.differences == []
    assert progress[-1] == (report.records_read, report.records_read)


def test_a_damaged_table_is_found_out_to_the_last_row(settings):
    """Three rows altered, one missing, one made up, a policy missing, a clock that is wrong; all else is equal."""

    def spoil(raws: list[Raw]) -> list[Raw]:
        rows = {raw.key: raw for raw in journeys_of(raws)}
        costs, ids, old, gone = (rows[journey_key(name)] for name in OPEN[:4])
        policy = Raw(CHANGELOG, 1, policy_key(POLICIES[0].version), None)
        own = next(raw for raw in raws if is_own(raw, 2))
        row = CODEC.decode(own.value)
        return [
            *(raw for raw in raws if raw.topic != CHANGELOG or raw.key not in (gone.key, old.key)),
            altered(costs, total_cost_micros=7, started_at=START_AT),
            altered(ids, recent_ids=[1]),
            altered(old, touchpoint_count=0, offset=0),
            altered(costs._replace(key=journey_key("made-up")), offset=1),
            policy._replace(headers=((TOMBSTONE_OFFSET_HEADER, b"100000"),)),
            own._replace(value=CODEC.encode(row._replace(clock=row.clock + 1))),
        ]

    made_up = 1
    written = asyncio.run(work_through(settings, spoil))
    report, found = checked(settings, shown=50)
    assert not report.ok
    keys = {raw.key for raw in journeys_of(written)}
    assert found["journeys"] == (len(keys) - made_up - 3, 1, 1, 3, 0), report.differences
    assert found["policies"] == (11, 1, 0, 0, 0)
    assert found["partitions"] == (3, 0, 0, 1, 0)
    said = "\n".join(report.differences)
    assert len(report.differences) == 7
    assert (
        f"partition {home(OPEN[0])}: journey {OPEN[0]}: started_at is 2025-10-09T08:53:20.000Z, the log makes 20"
        in said
    )
    assert "; total_cost_micros is 7, the log makes 1000000" in said
    assert f"journey {OPEN[1]}: recent_ids is [1], the log makes [" in said
    assert f"journey {OPEN[2]}: offset is 0, the log makes " in said
    assert f"partition {home(OPEN[3])}: journey {OPEN[3]}: is missing" in said
    assert "journey made-up: the log does not make it" in said
    assert f"partition 1: policy {POLICIES[0].version}: is missing" in said
    assert "partition 2: its own row: clock is " in said
    assert len(checked(settings, shown=2)[0].differences) == 2


def test_rows_that_a_crash_left_ahead_are_named_ahead(settings):
    """Outputs and rows of a batch are out, the partition's own row is not: it stands where it stood before."""
    asyncio.run(work_through(settings))
    before, counts_before = checked(settings)
    at = 400 * DAY
    more = [touch(OPEN[0], 2, at), touch("late-comer", 1, at), brought(POLICIES[3]), punctuation(at + 60 * DAY)]
    asyncio.run(produce(settings, more))
    # Without any partition's own row, but with the rows of all that the new records bring.
    asyncio.run(work_through(settings, lambda raws: [raw for raw in raws if raw.key != PARTITION_KEY]))
    report, found = checked(settings)
    assert report.ok, report.differences
    assert report.records_read == before.records_read
    assert found["policies"] == (12, 0, 0, 0, 4)
    assert found["partitions"] == (4, 0, 0, 0, 0)
    equal, *wrong, ahead = found["journeys"]
    assert wrong == [0, 0, 0]
    assert ahead > len(OPEN)
    assert equal + ahead == counts_before["journeys"][0] + 1, "the late-comer is one more"


def test_a_table_that_claims_more_than_the_log_has_is_different(settings):
    """And one that can't be read is missing, with the reason; the other partitions are compared all the same."""

    def spoil(raws: list[Raw]) -> list[Raw]:
        own = next(raw for raw in raws if is_own(raw, 2))
        beyond = CODEC.decode(own.value)._replace(applied_offset=10**6)
        unknown = next(raw for raw in journeys_of(raws) if raw.partition == 3)
        return [
            *raws,
            own._replace(value=CODEC.encode(beyond)),
            unknown._replace(value=written_as(AFTER, CODEC.decode_fields(unknown.value)[1])),
        ]

    written = asyncio.run(work_through(settings, spoil))
    report, found = checked(settings)
    by_partition = Counter(raw.partition for raw in journeys_of(written))
    assert not report.ok
    assert found["partitions"] == (2, 0, 0, 2, 0)
    assert found["journeys"] == (by_partition[0] + by_partition[1], by_partition[3], 0, 0, 0)
    assert report.differences[0].startswith("partition 2: its own row stands at offset 1000000, and the log ends at ")
    assert report.differences[1].startswith("partition 3: the row of journey ")
    assert "no such schema is known here" in report.differences[1]


def test_a_table_that_nobody_has_written_yet_is_in_order(settings):
    """No partition has an own row: it stands for nothing, and nothing is there."""
    report, found = checked(settings)
    assert report.ok
    assert report.records_read == 0
    assert found["journeys"] == (0, 0, 0, 0, 0)
