"""KEYF payload: the key frames between which a network draws one segment, coded by a codec of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nvcodec.container.ids import KeyFrameCodec, known_id
from nvcodec.container.wire import Reader, prefixed, varint
from nvcodec.errors import BitstreamError

MAX_KEY_FRAMES = 1 << 20
_LEAST_PACKET_BYTES = 2
"""What the shortest packet takes: a length and one byte."""


@dataclass(frozen=True)
class KeyFrames:
    """Key frames of one segment, coded by a codec of their own."""

    codec: KeyFrameCodec
    group: int
    """At least 1: key frames 0, group, 2 * group, ... can be decoded without those in front of them."""
    direct: tuple[bool, ...]
    """For each key frame whether it is shown as it is instead of being drawn by the network."""
    packets: tuple[bytes, ...]
    """One for each key frame, in order; opaque here. 1 to 1,048,576 of them, each at least one byte."""

    def to_bytes(self) -> bytes:
        """Code the key frames as a KEYF payload."""
        assert self.group >= 1 and len(self.direct) == len(self.packets)
        assert 1 <= len(self.packets) <= MAX_KEY_FRAMES and all(self.packets)
        head = bytes([self.codec]) + varint(self.group) + varint(len(self.packets))
        return head + _pack_bits(self.direct) + b"".join(map(prefixed, self.packets))

    @classmethod
    def from_bytes(cls, payload: bytes) -> KeyFrames:
        """Read a KEYF payload.

        Raises:
            BitstreamError: The payload breaks a rule of the format.
            UnsupportedError: The codec is unknown.
        """
        reader = Reader(payload)
        codec = known_id(KeyFrameCodec, reader.byte("key-frame codec"), "key-frame codec")
        group = reader.varint("group")
        if group == 0:
            raise BitstreamError("has groups of no key frame")
        count = reader.varint("key-frame count")
        if not 1 <= count <= MAX_KEY_FRAMES:
            raise BitstreamError(f"announces {count:,} key frames; possible are 1 to {MAX_KEY_FRAMES:,}")
        if count > reader.remaining // _LEAST_PACKET_BYTES:
            raise BitstreamError(f"announces {count:,} key frames in {reader.remaining:,} bytes")
        direct = _read_bits(reader, count)
        packets = tuple(_read_packet(reader) for _ in range(count))
        reader.end()
        return cls(codec, group, direct, packets)


def _read_packet(reader: Reader) -> bytes:
    size = reader.varint("length of a key frame")
    if size == 0:
        raise BitstreamError("has a key frame of no bytes")
    return reader.take(size, "key frame")


def _pack_bits(bits: Sequence[bool]) -> bytes:
    """Eight flags a byte, the first in the highest bit; what is left of the last byte is 0."""
    packed = bytearray((len(bits) + 7) // 8)
    for at, bit in enumerate(bits):
        packed[at >> 3] |= bit << 7 - at % 8
    return bytes(packed)


def _read_bits(reader: Reader, count: int) -> tuple[bool, ...]:
    packed = reader.take((count + 7) // 8, "direct bits")
    if packed[-1] & (1 << -count % 8) - 1:
        raise BitstreamError("has direct bits behind those of its key frames")
    return tuple(bool(packed[at >> 3] >> 7 - at % 8 & 1) for at in range(count))
