"""A restore makes the rows that were stored: of every kind, many at once, of this version and of its neighbours."""

import random
from typing import Any

import pytest

from journeys.schemas.catalog import Catalog, fingerprint
from journeys.schemas.codec import Codec
from journeys.schemas.records import CONVERTED
from journeys.schemas.rows import PARTITION_KEY, PartitionRow, PolicyRow, journey_key, policy_key, schema_key
from journeys.streams.partition.restore import Restore
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import DEFAULT_POLICY
from journeys.streams.rule.row import Row
from journeys.streams.stored.restored_rows import UnreadableRowError
from journeys.streams.stored.schema_rows import missing_schemas
from journeys.streams.stored.stored_row import StoredRow
from tests.fixtures.row_versions import AFTER, BEFORE, schema_row, written_as
from tests.properties.policies import POLICIES

KNOWN = [DEFAULT_POLICY, *POLICIES]
POLICY_ROWS = [
    StoredRow(policy_key(policy.version), Codec().encode(PolicyRow(0, policy.version, policy.to_json())), 0)
    for policy in POLICIES
]
ROW_COUNT = 11_000  # more than two chunks


class CountingCodec(Codec):
    """A codec that knows which rows it has decoded one by one."""

    def __init__(self, catalog: Catalog | None = None) -> None:
        super().__init__(catalog)
        self.one_by_one: list[bytes] = []

    def decode_fields(self, value: bytes) -> tuple[str, dict[str, Any]]:
        """Decode and take note."""
        self.one_by_one.append(value)
        return super().decode_fields(value)


def made_fields(chance: random.Random, offset: int) -> dict[str, Any]:
    """Fields of a stored row, open or ended, with and without all that may be null."""

    def sometimes(value: Any) -> Any:
        return value if chance.random() < 0.5 else None

    at = 1_760_000_000_000 + chance.randrange(10**10)
    is_open = chance.random() < 0.8
    return {
        "offset": offset,
        "record_offset": chance.randrange(offset + 1),
        "open": is_open,
        "policy_version": chance.choice(KNOWN).version,
        "timeout_ms": sometimes(chance.randrange(1, 10**9)),
        "inactivity_ms": sometimes(chance.randrange(1, 10**9)),
        "budget_micros": sometimes(chance.randrange(1, 10**12)),
        "recent_ids": [chance.randrange(-(2**63), 2**63) for _ in range(chance.randrange(9))],
        "user_id": sometimes(f"user-ä-{chance.randrange(50)}"),
        "started_at": at if is_open else 0,
        "last_activity_at": at + 5 if is_open else 0,
        "last_touchpoint_at": sometimes(at),
        "state": chance.choice(["UNAWARE", "AWARE", "CONSIDERING", "INTENT"]),
        "touchpoint_count": chance.randrange(100),
        "total_cost_micros": chance.randrange(10**15),
        "conversion_probability": sometimes(chance.random()),
        "conversion_value_micros": sometimes(chance.randrange(10**10)),
        "extended_by_ms": chance.randrange(10**9),
        "action_id": sometimes("act"),
        "touchpoint_policy_version": sometimes("bids-1"),
        "propensity": None,
        "touchpoint_times": [at + step for step in range(chance.choice([0, 0, 3, 64]))],
        "is_return": chance.random() < 0.2,
        "previous_started_at": sometimes(at - 9),
        "previous_ended_at": sometimes(at - 5),
        "late_until": sometimes(at - 5),
        "previous_outcome": chance.choice([None, CONVERTED, "TIMEOUT"]),
        "previous_total_penalty_micros": sometimes(chance.randrange(10**10)),
        "cleanup_at": None if is_open else at + 10**9,
        "segment": sometimes("new"),
        "earlier_touchpoint_count": sometimes(chance.randrange(1, 10)),
    }


def made(seed: int) -> dict[str, dict[str, Any]]:
    """Fields of many rows by journey."""
    chance = random.Random(seed)
    return {f"journey-{offset}": made_fields(chance, offset) for offset in range(ROW_COUNT)}


def restored(records: list[StoredRow], codec: Codec) -> Partition:
    """Partition of a changelog."""
    restore = Restore()
    restore.add_all([(row.key, row.offset if row.value is None else row.value) for row in records])
    partition = Partition(0, 4)
    assert restore.onto(partition, codec) == []
    return partition


def slots(row: Row) -> dict[str, Any]:
    """Everything that a row holds, derived fields too."""
    return {name: getattr(row, name) for kind in (Row, *Row.__bases__) for name in kind.__slots__}


def require_same(partition: Partition, fields: dict[str, dict[str, Any]]) -> None:
    """Every row is as one that was made and kept by itself, and so are the deadlines and cleanups, in their order."""
    expected = Partition(0, 4)
    policies = {policy.version: policy for policy in KNOWN}
    for journey_id, of in fields.items():
        expected.keep(Row.of_stored(journey_id, of, policies[of["policy_version"]]))
    assert partition.rows.keys() == expected.rows.keys()
    for journey_id, row in partition.rows.items():
        assert slots(row) == slots(expected.rows[journey_id])
    for one in (partition, expected):
        one.clock = 1_760_000_000_000 + 2 * 10**9
    assert 0 < partition.next_due_at() == expected.next_due_at()
    assert 100 < len(due := partition.take_due()) < ROW_COUNT
    assert [one[:2] for one in due] == [one[:2] for one in expected.take_due()]
    gone = [one.delete_stale(ROW_COUNT) for one in (partition, expected)]
    assert gone[0] == gone[1] != {}


def test_rows_by_columns_are_rows_one_by_one():
    """Field by field, derived ones too; none took the slow way, whether it bears a fingerprint or a registry's id."""
    fields = made(1)
    codec = CountingCodec()
    codec.catalog.use_id("JourneyRow", 7)
    codecs = (codec, Codec())
    records = [
        StoredRow(journey_key(name), codecs[place % 2].encode_fields("JourneyRow", of), 0)
        for place, (name, of) in enumerate(fields.items())
    ]
    partition = restored(POLICY_ROWS + records, codec)
    assert sorted(codec.one_by_one) == sorted(row.value for row in POLICY_ROWS)
    require_same(partition, fields)


@pytest.mark.parametrize("told_by", ["the table", pytest.param("avro/earlier or a registry", marks=pytest.mark.slow)])
def test_rows_of_three_versions_in_one_changelog(told_by):
    """Each is read by Avro's rules, from one of its own in three on: those of the present version by columns."""
    fields = made(2)
    schemas = (None, BEFORE, AFTER)
    codec = CountingCodec()
    records, foreign = [], []
    for place, (name, of) in enumerate(fields.items()):
        schema = schemas[place * 7 // 3 % 3]
        value = codec.encode_fields("JourneyRow", of) if schema is None else written_as(schema, of)
        records.append(StoredRow(journey_key(name), value, 0))
        if schema is not None:
            foreign.append(value)
    told = [schema_row(schema) for schema in (BEFORE, AFTER)]
    if told_by == "the table":
        # Wherever it stands: compaction and rewrites put it anywhere.
        partition = restored([*records, *POLICY_ROWS, *told], codec)
        expected = [*foreign, *(row.value for row in [*POLICY_ROWS, *told])]
    else:
        for schema in (BEFORE, AFTER):
            codec.catalog.add(fingerprint(schema), schema)
        partition = restored(POLICY_ROWS + records, codec)
        expected = [*foreign, *(row.value for row in POLICY_ROWS)]
    assert sorted(codec.one_by_one) == sorted(expected)
    require_same(partition, fields)


def test_the_table_tells_its_schemas_once():
    """What is missing is told, and then nothing is; a table of another version's rows lacks this one's."""
    codec = Codec()
    told = missing_schemas((), codec)
    assert {row.key for row in told} == {
        schema_key(codec.catalog.id_of(name)) for name in ("JourneyRow", "PartitionRow", "PolicyRow")
    }
    restore = Restore()
    restore.add_all([(row.key, row.value) for row in [*told, schema_row(AFTER)]])
    assert restore.missing_schemas(codec) == []
    assert Restore([schema_row(AFTER)]).missing_schemas(codec) == told


FIELDS = made_fields(random.Random(3), 3) | {"policy_version": DEFAULT_POLICY.version}
GOOD = Codec().encode_fields("JourneyRow", FIELDS)
UNREADABLE = {
    "a schema that nobody knows": (
        [StoredRow(b"ja", written_as(AFTER, FIELDS), 3)],
        rf"the row of journey 'a': schema id: {fingerprint(AFTER)} is not allowed.*no such schema is known",
    ),
    "a schema that the present one can't read": (
        [
            schema_row(wrong := {**AFTER, "fields": [field for field in AFTER["fields"] if field["name"] != "state"]}),
            StoredRow(b"ja", written_as(wrong, FIELDS), 3),
        ],
        r"the row of journey 'a': schema id: .*\(state at ",
    ),
    "a damaged row among good ones": (
        [StoredRow(b"j%d" % n, GOOD, 3) for n in range(20)] + [StoredRow(b"ja", GOOD[:40], 3)],
        "the row of journey 'a': value: .*Avro of JourneyRow",
    ),
    "an empty value": ([StoredRow(b"ja", b"", 3)], "the row of journey 'a': value: b'' is not allowed"),
    "an empty value behind a good one": (
        [StoredRow(b"ja", GOOD, 3), StoredRow(b"ja", b"", 4)],
        "the row under the key b'ja' is b'': no row of any schema",
    ),
    "a row of another kind": (
        [StoredRow(b"ja", POLICY_ROWS[0].value, 3)],
        "the row of journey 'a' is a PolicyRow, not a JourneyRow",
    ),
    "a policy that the table lacks": (
        [StoredRow(b"ja", Codec().encode_fields("JourneyRow", FIELDS | {"policy_version": "gone-1"}), 3)] * 9,
        "the row of journey 'a' names the policy 'gone-1', of which the table has no row; it has default-1",
    ),
    "a partition row with a policy that the table lacks": (
        [StoredRow(PARTITION_KEY, Codec().encode(PartitionRow(3, None, None, "gone-1", 4)), 3)],
        "the partition's own row names the policy 'gone-1'",
    ),
    "a policy of a later version": (
        [StoredRow(policy_key("v"), Codec().encode(PolicyRow(3, "v", '{"version": "v", "later": 1}')), 3)],
        "the row of policy 'v': .*later",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_can_not_be_read_is_said(case):
    """Which row it is, and why; nobody guesses what was in it."""
    records, said = UNREADABLE[case]
    with pytest.raises(UnreadableRowError, match=said):
        restored(records, Codec())


def test_offset_0_is_an_offset():
    """Of a row and of a tombstone: the first record of a log counts like any other, whichever comes first."""
    row = StoredRow(b"ja", Codec().encode_fields("JourneyRow", FIELDS | {"offset": 0}), 0)
    gone = StoredRow(b"ja", None, 0)
    later = StoredRow(b"ja", GOOD, 3)
    assert list(restored([row], Codec()).rows) == ["a"]
    forgotten = restored([row, gone], Codec())
    assert list(forgotten.rows) == []
    assert restored([gone, later], Codec()).rows["a"].offset == 3
    stale = Restore()
    stale.add_all([(b"ja", GOOD), (b"ja", 0)])
    assert [row.key for row in stale.onto(Partition(0, 4), Codec())] == [b"ja"]
    assert stale.stale == 1
