"""Input that nobody can use goes to the dead-letter topic with its place and the reason, and the worker goes on."""

import asyncio
import math
from collections import Counter
from hashlib import sha256
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from journeys.agents.settings.settings import Settings
from journeys.clock import now_ms
from journeys.schemas.codec import Codec
from journeys.schemas.partitioner import murmur2
from journeys.schemas.records import (
    JourneyCommand,
    JourneyLifecycle,
    JourneyRegistered,
    JourneySignal,
    PolicyChanged,
    Punctuation,
    Touchpoint,
)
from journeys.schemas.topics import DEAD_LETTERS, JOURNEY_EVENTS, JOURNEY_LIFECYCLE
from tests.fixtures.fresh_kafka import emptied
from tests.fixtures.topic_contents import DAY, home

from .topic_exchange import append, inputs, published
from .verified import verified

pytestmark = [pytest.mark.broker, pytest.mark.slow]

CODEC = Codec()
NOW = now_ms()
KEPT_BYTES = 64 * 1024


class Bad(NamedTuple):
    """A record that must become a dead letter, and what its reason says: the field first."""

    what: str
    key: bytes | None
    value: bytes | None
    reason: str
    partition: int | None = None
    """None for the one that murmur2 gives the key."""


def touch(journey_id: str = "poison", **fields: Any) -> bytes:
    """Encode a touchpoint that nobody validates."""
    return encoded(Touchpoint(journey_id, None, f"{journey_id}-1", NOW, cost_micros=1_000_000), **fields)


def encoded(record: Any, **fields: Any) -> bytes:
    """Encode any record with some of its fields as they must not be."""
    return CODEC.encode_fields(type(record).__name__, record._asdict() | fields)


def bad_records() -> list[Bad]:
    """Every kind of input that is refused; none of them is of a journey that anybody knows."""
    key = b"poison"
    own = touch()
    lifecycle = JourneyLifecycle("a" * 32, "started", "poison", None, NOW, NOW)
    registered = JourneyRegistered("poison", None, NOW)
    nan, infinity = math.nan, math.inf
    return [
        Bad("no Avro at all", key, b'{"journey_id": "poison"}', 'value: b\'{"journey_id": "\' is not allowed'),
        Bad("four bytes", key, own[:4], "value: b'\\x00"),
        Bad("empty", key, b"", "value: b'' is not allowed; expected Avro in Confluent's wire format"),
        Bad("cut off", key, own[:-3], "value: "),
        Bad("another body", key, own[:5] + b"\xff" * 30, "value: "),
        Bad("an unknown schema id", key, b"\x00\x7f\xff\xff\xff" + own[5:], "schema id: 2147483647 is not allowed"),
        Bad("a record of another topic", key, CODEC.encode(lifecycle), "value: 'JourneyLifecycle' is not allowed"),
        Bad("a null value", key, None, "value: None is not allowed"),
        Bad("2 MB", key, touch(user_id="x" * 2_000_000), "value: '2000"),
        Bad("long text", key, touch(channel="x" * 1001), "channel: '1001 characters' is not allowed"),
        Bad("negative cost", key, touch(cost_micros=-1), "cost_micros: -1 is not allowed"),
        Bad("NaN", key, touch(conversion_probability=nan), "conversion_probability: nan is not allowed"),
        Bad("infinity", key, touch(propensity=infinity), "propensity: inf is not allowed"),
        Bad("negative value", key, touch(conversion_value_micros=-5), "conversion_value_micros: -5 is not allowed"),
        Bad(
            "an unknown state",
            key,
            touch(state="BROWSING"),
            "state: 'BROWSING' is not allowed; expected one of UNAWARE",
        ),
        Bad("no journey", b"", touch(""), "journey_id: '' is not allowed"),
        Bad("no touchpoint_id", key, touch(touchpoint_id=""), "touchpoint_id: '' is not allowed"),
        Bad("before 1990", key, touch(occurred_at=631_151_999_999), "occurred_at: 631151999999 is not allowed"),
        Bad("beyond the append time", key, touch(occurred_at=NOW + DAY), "occurred_at: '20"),
        Bad("beyond all time", key, touch(occurred_at=2**62), "occurred_at: 4611686018427387904 is not allowed"),
        Bad("an unknown signal", key, encoded(JourneySignal("poison", NOW, "boredom")), "signal: 'boredom'"),
        Bad("an unknown command", key, encoded(JourneyCommand("poison", NOW, "forget")), "command: 'forget'"),
        Bad("an unknown reason", key, encoded(JourneyCommand("poison", NOW, "abandon", "WHIM")), "reason: 'WHIM'"),
        Bad("an extension by nothing", key, encoded(JourneyCommand("poison", NOW, "extend")), "extend_by_ms: None"),
        Bad("no time to live", key, encoded(registered, timeout_ms=0), "timeout_ms: 0 is not allowed"),
        Bad("no money", key, encoded(registered, budget_micros=-1), "budget_micros: -1 is not allowed"),
        Bad("a key that is not the journey_id", b"venom", own, "key: b'venom' is not allowed"),
        Bad("no key", None, own, "key: None is not allowed", home("poison")),
        Bad("another partitioner", key, own, "partition: ", (home("poison") + 1) % 4),
        Bad("another time source", None, encoded(Punctuation(NOW, "simulated")), "time_source: 'simulated'", 2),
        Bad("no policy", None, encoded(PolicyChanged("mine", "{", NOW)), "policy: '{' is not allowed", 1),
        Bad("another version", None, encoded(PolicyChanged("mine", "{}", NOW)), "policy_version: 'mine'", 0),
    ]


async def send(settings: Settings, records: list[Bad]) -> list[tuple[int, int]]:
    """Append records as they are; gives the partition and offset of each."""
    client = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, max_request_size=4_000_000)
    async with client:
        sent = [
            await client.send(
                JOURNEY_EVENTS,
                bad.value,
                bad.key,
                (murmur2(bad.key or b"") & 0x7FFFFFFF) % 4 if bad.partition is None else bad.partition,
            )
            for bad in records
        ]
        places = [await acknowledgement for acknowledgement in sent]
    return [(place.partition, place.offset) for place in places]


def test_each_bad_record_is_a_dead_letter_and_the_worker_goes_on(broker, workers):
    """Every kind of them in every way, among good records; all records are counted once."""
    settings = emptied(broker, punctuation_interval_seconds=0.2)
    worker = workers.start(settings)
    good = [f"good-{number}" for number in range(40)]
    assert {home(journey_id) for journey_id in good} == {0, 1, 2, 3}
    before = [Touchpoint(journey_id, None, f"{journey_id}-1", now_ms()) for journey_id in good]
    append(settings, *before)
    workers.wait_until(
        lambda: all(any(isinstance(r, Punctuation) for r in found) for found in inputs(settings).values()),
        "not every partition was punctuated",
    )
    workers.wait_until_applied(settings)

    bads = bad_records()
    places = asyncio.run(send(settings, bads))
    after = [Touchpoint(journey_id, None, f"{journey_id}-2", now_ms()) for journey_id in good]
    append(settings, *before[:5], *after)  # five duplicates
    append(
        settings,
        Touchpoint("unknown", None, "late", now_ms() - 40 * DAY),
        JourneySignal("unknown", now_ms(), "fatigue"),
        JourneyCommand(good[0], now_ms(), "abandon", command_id="c1"),
        JourneyCommand(good[0], now_ms(), "abandon", command_id="c2"),
    )
    workers.wait_until_applied(settings)
    worker.require_running()

    letters = {(letter.partition, letter.offset): letter for letter in published(settings, DEAD_LETTERS)}
    assert len(letters) == len(bads) == len(set(places))
    for bad, place in zip(bads, places, strict=True):
        letter = letters[place]
        assert letter.reason.startswith(bad.reason), bad.what
        value = bad.value or b""
        assert (letter.topic, letter.record_key) == (JOURNEY_EVENTS, bad.key), bad.what
        assert letter.record_value == (None if bad.value is None else value[:KEPT_BYTES]), bad.what
        assert (letter.value_size, letter.value_sha256) == (
            len(value),
            "" if bad.value is None else sha256(value).hexdigest(),
        ), bad.what
        assert abs(letter.append_time - NOW) < DAY, bad.what

    report, _ = verified(settings)
    counts = report.counts
    assert report.dead_letters.equal == counts.dead == len(bads)
    assert (counts.applied, counts.late, counts.duplicate, counts.refused) == (81, 1, 5, 2)
    assert counts.punctuations >= 4
    assert counts.policies == 0
    # The good ones began once, whatever stood between their touchpoints.
    assert Counter(said.kind for said in published(settings, JOURNEY_LIFECYCLE)) == {
        "started": len(good),
        "late_touchpoint": 1,
        "refused": 2,
    }
