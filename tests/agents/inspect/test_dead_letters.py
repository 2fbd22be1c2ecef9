"""Dead letters: whatever comes in, the partition goes on, and what is said of it fits a message."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from journeys.schemas.codec import Codec
from journeys.schemas.instants import DAY_MS, HOUR_MS
from journeys.schemas.partitioner import partition_of
from journeys.schemas.records import ClockCorrected, JourneyCommand, PolicyChanged, Punctuation
from journeys.streams.partition.changelog import output_messages
from journeys.streams.partition.entry import Entry
from journeys.streams.partition.processor import Processor
from journeys.streams.partition.state import Partition
from journeys.streams.rule.policy import DEFAULT_POLICY, policy_from_toml
from tests.fixtures.record_examples import FULL, SMALL, T0

CODEC = Codec()
OWN = object()


def entry(offset, value, key=OWN, append_time=T0):
    """Entry of wire bytes as the worker makes it; its key is the journey_id unless another is given."""
    (record,) = CODEC.decode_inputs([value])
    journey_id = getattr(record, "journey_id", None)
    if key is OWN:
        key = None if journey_id is None else journey_id.encode()
    return Entry(offset, key, append_time, record, value)


def dead_letter(*entries, number=0, count=1):
    """Dead letter of the last entry, none of the others is one; a good record is applied behind it."""
    processor = Processor(Partition(number, count))
    *before, last = entries
    assert processor.process(before).dead_letters == []
    effects = processor.process([last])
    (letter,) = effects.dead_letters
    assert (effects.counts.dead, effects.counts.read) == (1, 1)
    assert (effects.abandonments, effects.lifecycle, effects.changed, effects.policies) == ([], [], {}, [])
    (message,) = output_messages(effects, CODEC)
    assert CODEC.decode(message.value) == letter
    assert message.key == f"journey-events:{number}:{last.offset}".encode()
    assert len(message.value) < 200_000
    assert len(letter.reason) <= 1000
    at_home = next(name for name in "abcdefghij" if partition_of(name.encode(), count) == number)
    good = CODEC.encode(SMALL._replace(journey_id=at_home))
    assert processor.process([entry(last.offset + 1, good)]).counts.applied == 1
    return letter


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "value: None"),
        (b"", "Confluent's wire format"),
        (b'{"journey_id": "j"}', "Confluent's wire format"),
        (b"\x00\x00\x00\x00\x4dxyz", "schema id: 77"),
        (CODEC.encode(SMALL)[:-3], "Avro of Touchpoint"),
        (CODEC.encode(SMALL._replace(cost_micros=-1)), "cost_micros: -1"),
        (CODEC.encode(SMALL._replace(propensity=float("nan"))), "propensity: nan"),
        (CODEC.encode(SMALL._replace(state="HAPPY")), "state: 'HAPPY'"),
        (CODEC.encode(SMALL._replace(journey_id="")), "journey_id: ''"),
        (CODEC.encode(SMALL._replace(occurred_at=5)), "occurred_at: 5"),
        (CODEC.encode(SMALL._replace(channel="x" * 2_000_000)), "at most 1048576 bytes"),
        (CODEC.encode(SMALL._replace(journey_id="\x01" * 1_000_000)), "journey_id: '1000000 characters'"),
    ],
)
def test_a_value_that_is_wrong(value, reason):
    """Its first 64 KiB, its size and hash, where it came from and why."""
    letter = dead_letter(entry(17, value))
    assert reason in letter.reason
    assert (letter.topic, letter.partition, letter.offset, letter.append_time) == ("journey-events", 0, 17, T0)
    if value is None:
        assert (letter.record_value, letter.value_size, letter.value_sha256) == (None, 0, "")
    else:
        assert (letter.record_value, letter.value_size) == (value[: 64 * 1024], len(value))
        assert letter.value_sha256 == sha256(value).hexdigest()


@pytest.mark.parametrize("key", [None, b"", b"another", b"\xff" * 100_000])
def test_a_key_that_is_not_the_journey_id(key):
    """Such a record may be in the wrong partition."""
    letter = dead_letter(entry(17, CODEC.encode(FULL), key))
    assert letter.reason.startswith("key: ")
    assert "'journey-ä'" in letter.reason
    assert letter.record_key == (None if key is None else key[: 64 * 1024])


def test_a_new_journey_in_a_partition_that_murmur2_does_not_give():
    """As a producer with librdkafka's default partitioner would send it."""
    home = partition_of(b"j", 4)
    elsewhere = (home + 1) % 4
    letter = dead_letter(entry(17, CODEC.encode(SMALL)), number=elsewhere, count=4)
    assert letter.reason.startswith(f"partition: {elsewhere} is not allowed; expected {home}")


def test_a_time_far_ahead_of_the_append_time():
    """On a live topic, and before the first punctuation has said which it is; an hour's skew is allowed."""
    early = SMALL._replace(occurred_at=T0 + HOUR_MS)
    ahead = entry(18, CODEC.encode(early._replace(occurred_at=T0 + HOUR_MS + 1)))
    live = entry(17, CODEC.encode(Punctuation(T0, "live")))
    assert dead_letter(ahead).reason.startswith("occurred_at: '2025-10-09T09:53:20.001Z' is not allowed")
    assert dead_letter(live, ahead).reason.startswith("occurred_at: ")
    simulated = entry(17, CODEC.encode(Punctuation(T0, "simulated")))
    for first, last in (
        (live, entry(18, CODEC.encode(early))),
        (simulated, ahead),
        (live, ahead._replace(append_time=None)),
    ):
        assert Processor(Partition()).process([first, last]).counts.applied == 1


@pytest.mark.parametrize("record", [Punctuation(T0 + 60_001, "live"), ClockCorrected(T0 + 60_001)])
def test_live_time_ahead_of_its_append_time(record):
    """By more than a minute, or without an append time: it moves no clock, and settles no time source."""
    ahead = entry(17, CODEC.encode(record))
    assert dead_letter(ahead).reason == (
        "at: '2025-10-09T08:54:20.001Z' is not allowed; "
        "expected at most 2025-10-09T08:54:20.000Z, 60 s after the append time"
    )
    assert "message.timestamp.type=LogAppendTime" in dead_letter(ahead._replace(append_time=None)).reason
    partition = Partition()
    Processor(partition).process([ahead])
    assert (partition.clock, partition.time_source) == (None, None)
    Processor(partition).process([entry(18, CODEC.encode(record._replace(at=T0 + 60_000)))])
    assert partition.clock == T0 + 60_000


def test_a_punctuation_of_the_other_kind():
    """The topic's first one says whose time it keeps; the other moves no clock."""
    live, simulated = (Punctuation(T0, source) for source in ("live", "simulated"))
    for first, other in ((live, simulated), (simulated, live)):
        wrong = CODEC.encode(other._replace(at=T0 + 90 * DAY_MS))
        letter = dead_letter(entry(16, CODEC.encode(first)), entry(17, wrong))
        assert letter.reason.startswith(
            f"time_source: '{other.time_source}' is not allowed; expected {first.time_source}"
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ('{"version":"b"}', "policy_version: 'a' is not allowed; expected b"),
        ('{"version":"a","penalty":{"base_rate":1e99999999999999999999}}', "not JSON"),
        ('{"version":"a","penalty":{"base_rate":-1}}', "penalty.base_rate: '-1'"),
        ('{"version":"a","\\ud800":1}', "policy: "),
        (json.dumps({"version": "a"} | {f"key{number}": 1 for number in range(20_000)}), "no such key"),
    ],
)
def test_a_policy_that_is_none(text, reason):
    """Nor does it come into force."""
    assert reason in dead_letter(entry(17, CODEC.encode(PolicyChanged("a", text, T0)))).reason


def test_one_version_names_one_policy_for_ever():
    """The same content again is fine, another one under the same name is not; nor is it under default-1."""
    one, other = (policy_from_toml(f"version = 'a'\n[deadlines]\ntimeout_days = {days}") for days in (1, 2))
    first = entry(16, CODEC.encode(PolicyChanged("a", one.to_json(), T0)))
    assert (
        "another content" in dead_letter(first, entry(17, CODEC.encode(PolicyChanged("a", other.to_json(), T0)))).reason
    )
    again = first._replace(offset=17)
    assert Processor(Partition()).process([first, again]).counts.policies == 2
    changed = DEFAULT_POLICY.to_json().replace('"timeout_days":"14"', '"timeout_days":"13"')
    assert "default policy" in dead_letter(entry(17, CODEC.encode(PolicyChanged("default-1", changed, T0)))).reason


def test_every_record_counts_once():
    """In is applied, late, duplicate, refused, dead, punctuations and policies; what was applied before is skipped."""
    log = [
        SMALL,
        SMALL,
        SMALL._replace(cost_micros=-1),
        Punctuation(T0 + 5 * DAY_MS, "simulated"),
        SMALL._replace(touchpoint_id="late"),
        JourneyCommand("j", T0, "abandon"),
        PolicyChanged("default-1", DEFAULT_POLICY.to_json(), T0),
    ]
    entries = [entry(offset, CODEC.encode(record)) for offset, record in enumerate(log)]
    processor = Processor(Partition())
    counts = processor.process(entries).counts
    assert (counts.applied, counts.duplicate, counts.dead, counts.punctuations) == (1, 1, 1, 1)
    assert (counts.late, counts.refused, counts.policies, counts.skipped) == (1, 1, 1, 0)
    assert counts.read == len(log)
    again = processor.process(entries)
    assert (again.counts.skipped, again.counts.read) == (len(log), 0)
    assert output_messages(again, CODEC) == []
