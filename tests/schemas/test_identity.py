"""Derived ids and the partitioner: pinned, because other programs and old topics hold them."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from journeys.schemas.identity import abandonment_id, command_hash, lifecycle_id, touchpoint_hash
from journeys.schemas.partitioner import murmur2, partition_of


def test_the_example_of_an_abandonment_id():
    """BLAKE2b-128 over journey_id, one zero byte, started_at in 8 bytes."""
    assert abandonment_id("journey-123", 1_760_000_000_000) == "6fa6c66f370999288c04a1bd35404269"
    assert abandonment_id("journey-ä", 1_760_000_000_000) == "90f174942da9f8463d0d5ff592677081"
    assert abandonment_id("journey-123", 1_760_000_000_001) != abandonment_id("journey-123", 1_760_000_000_000)


def test_a_lifecycle_id():
    """Every part of it counts."""
    said = ("journey-events", 3, 17, "started", "journey-123")
    assert lifecycle_id(*said) == "73995f922bdadcc228f2093ae1feaf9a"
    others = [("x", 3, 17, "started", "journey-123"), ("journey-events", 2, 17, "started", "journey-123")]
    others += [("journey-events", 3, 18, "started", "journey-123"), ("journey-events", 3, 17, "ended", "journey-123")]
    others += [("journey-events", 3, 17, "started", "journey-124")]
    assert len({lifecycle_id(*parts) for parts in [said, *others]}) == 6


def test_hashes_of_ids_are_the_same_in_every_release():
    """They are in stored rows; a touchpoint and a command of the same text are two."""
    assert touchpoint_hash("t1").hex() == "c40379063f4068fe"
    assert command_hash("t1").hex() == "e6bbe91f0196585e"
    assert len(touchpoint_hash("ä" * 1000)) == 8


# From UtilsTest of Apache Kafka, as signed 32-bit integers.
KAFKA_VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "signed"), KAFKA_VECTORS)
def test_murmur2_as_in_the_tests_of_kafka(key, signed):
    """Keys of every length modulo 4."""
    assert murmur2(key) == signed & 0xFFFFFFFF


@given(st.binary(max_size=64))
def test_murmur2_as_in_aiokafka(key):
    """Another implementation of the same, on any bytes."""
    assert murmur2(key) == murmur2_of_aiokafka(key) & 0xFFFFFFFF


@given(st.text(max_size=20), st.integers(1, 64))
def test_a_partition_is_that_of_javas_default(journey_id, count):
    """The sign bit is dropped before the modulo, as Utils.toPositive does; it is no absolute value."""
    key = journey_id.encode()
    assert partition_of(key, count) == (murmur2_of_aiokafka(key) & 0x7FFFFFFF) % count


def test_partitions_of_known_keys():
    """Among them one whose hash is negative in Java."""
    assert [partition_of(key, 4) for key, _ in KAFKA_VECTORS] == [(h & 0x7FFFFFFF) % 4 for _, h in KAFKA_VECTORS]
    assert partition_of(b"21", 4) == 0
    assert partition_of(b"foobar", 4) == 2
