"""Java's default partitioner: murmur2 over the key. librdkafka's default is another one."""

from __future__ import annotations

_SEED = 0x9747B28C
_M = 0x5BD1E995
_R = 24
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Unsigned 32-bit murmur2 of `key`, as in org.apache.kafka.common.utils.Utils."""
    length = len(key)
    value = (_SEED ^ length) & _MASK
    whole = length & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(key[start : start + 4], "little") * _M & _MASK
        k = (k ^ (k >> _R)) * _M & _MASK
        value = (value * _M & _MASK) ^ k
    if whole < length:
        value = (value ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    value = (value ^ (value >> 13)) * _M & _MASK
    return value ^ (value >> 15)


def partition_of(key: bytes, partition_count: int) -> int:
    """Partition that murmur2 gives `key` among `partition_count`."""
    return (murmur2(key) & 0x7FFFFFFF) % partition_count
