"""The records of a compressed batch as a stream of bytes, of which no more is in memory than was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from struct import Struct
from typing import Final, Protocol

import pyarrow as pa
from aiokafka.errors import UnsupportedCodecError

_INT: Final = Struct(">i")
_SNAPPY: Final = 2
_STREAMED: Final = {1: "gzip", 3: "lz4", 4: "zstd"}


class Stream(Protocol):
    """What is unpacked, from its beginning to its end."""

    def read(self, size: int) -> bytes:
        """Give the next bytes, so many unless the end comes before."""


def unpacked(packed: memoryview, codec: int) -> Stream:
    """Stream of what a codec, by Kafka's number, has packed. Raises UnsupportedCodecError."""
    if codec == 0:
        return BytesIO(packed)
    if codec == _SNAPPY:
        return _SnappyStream(bytes(packed))
    name = _STREAMED.get(codec)
    if name is None:
        raise UnsupportedCodecError(f"a batch has the unknown codec {codec}")
    stream: Stream = pa.CompressedInputStream(pa.py_buffer(packed), name)
    return stream


class _SnappyStream:
    """Blocks of snappy: those that Java's library writes, of 32 KiB each, or one for all."""

    _JAVAS: Final = b"\x82SNAPPY\x00"
    _JAVAS_HEAD_BYTES: Final = 16
    # A copy of up to 64 bytes takes three.
    _MOST_FOR_A_BYTE: Final = 64

    def __init__(self, packed: bytes) -> None:
        self._blocks = self._split(packed)
        self._read = b""
        self._codec = pa.Codec("snappy")

    def read(self, size: int) -> bytes:
        """Give the next bytes, so many unless the end comes before."""
        parts = [self._read]
        length = len(self._read)
        while length < size:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(self._unpack(block))
            length += len(parts[-1])
        found = b"".join(parts)
        self._read = found[size:]
        return found[:size]

    def _split(self, packed: bytes) -> Iterator[bytes]:
        if not packed.startswith(self._JAVAS):
            yield packed
            return
        at = self._JAVAS_HEAD_BYTES
        while at < len(packed):
            (length,) = _INT.unpack_from(packed, at)
            at += _INT.size
            if not 0 <= length <= len(packed) - at:
                raise ValueError("a block of snappy is cut off")
            yield packed[at : at + length]
            at += length

    def _unpack(self, block: bytes) -> bytes:
        size = 0
        for place in range(5):  # of 32 bits, 7 in a byte
            size |= (block[place] & 0x7F) << 7 * place
            if block[place] < 0x80:
                break
        if size > self._MOST_FOR_A_BYTE * len(block):
            raise ValueError(f"a block of {len(block)} bytes says that it unpacks to {size}")
        found: bytes = self._codec.decompress(block, decompressed_size=size, asbytes=True)
        return found
