"""Ids that are derived, so that whoever does the work again gives the same id."""

from __future__ import annotations

from hashlib import blake2b

from xxhash import xxh3_64_digest

_ZERO = b"\x00"


def abandonment_id(journey_id: str, started_at: int) -> str:
    """Hex of BLAKE2b-128 over the journey_id in UTF-8, one zero byte, started_at (ms) as 8 bytes big-endian."""
    return blake2b(journey_id.encode() + _ZERO + started_at.to_bytes(8, "big"), digest_size=16).hexdigest()


def lifecycle_id(topic: str, partition: int, offset: int, kind: str, journey_id: str) -> str:
    """Hex of BLAKE2b-128 over topic, partition (4 bytes), offset (8 bytes), kind and journey_id.

    Texts in UTF-8, each followed by a zero byte but for the last; numbers big-endian.
    """
    return lifecycle_id_from(origin_of(topic, partition), offset, kind, journey_id)


def origin_of(topic: str, partition: int) -> bytes:
    """What the ids of all lifecycle records of a partition begin with, before they are hashed."""
    return topic.encode() + _ZERO + partition.to_bytes(4, "big")


def lifecycle_id_from(origin: bytes, offset: int, kind: str, journey_id: str) -> str:
    """`lifecycle_id` of the topic and partition that `origin_of` was asked for."""
    content = origin + offset.to_bytes(8, "big") + f"{kind}\0{journey_id}".encode()
    return blake2b(content, digest_size=16).hexdigest()


def touchpoint_hash(touchpoint_id: str) -> bytes:
    """Hash of a touchpoint_id, 8 bytes, the same in every process and release."""
    return xxh3_64_digest(b"t" + touchpoint_id.encode())


def command_hash(command_id: str) -> bytes:
    """Hash of a command_id, 8 bytes; a command never equals a touchpoint of the same text."""
    return xxh3_64_digest(b"c" + command_id.encode())
