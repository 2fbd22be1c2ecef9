"""Java's default partitioner: murmur2 over the key. librdkafka's default is another one."""

from __future__ import annotations

SEED = 0x9747B28C
M = 0x5BD1E995
R = 24
MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Unsigned 32-bit murmur2 of `key`, as in org.apache.kafka.common.utils.Utils."""
    length = len(key)
    value = (SEED ^ length) & MASK
    whole = length & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(key[start : start + 4], "little") * M & MASK
        k = (k ^ (k >> R)) * M & MASK
        value = (value * M & MASK) ^ k
    if whole < length:
        value = (value ^ int.from_bytes(key[whole:], "little")) * M & MASK
    value = (value ^ (value >> 13)) * M & MASK
    return value ^ (value >> 15)


def partition_of(key: bytes, partition_count: int) -> int:
    """Partition that murmur2 gives `key` among `partition_count`."""
    return (murmur2(key) & 0x7FFFFFFF) % partition_count
