"""BASE and dGST payloads: the coded parameters of one segment, and what they must decode to."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass

from nvcodec.container.wire import Reader, varint
from nvcodec.errors import BitstreamError

INTEGER_DIGEST_BYTES = 16
MAX_DIGEST_SAMPLES = 1 << 16
MAX_GOPS = 1 << 12


@dataclass(frozen=True)
class BaseSegment:
    """Base layer of an independent range of frames of one stream."""

    stream: int
    """Position of the stream in the header."""
    first_frame: int
    frames: int
    """At least 1."""
    payload: bytes
    """Coded parameters, opaque here."""
    gops: tuple[int, ...] = (0,)
    """First frame of each group of pictures, counted within the segment: 0, then rising, at most 4,096."""

    def gop_of(self, frame: int) -> int:
        """The group of pictures of a frame, counted within the segment."""
        return bisect_right(self.gops, frame) - 1

    def to_bytes(self) -> bytes:
        """Code the segment as a BASE payload."""
        assert self.gops[0] == 0 and len(self.gops) <= MAX_GOPS
        lengths = [later - earlier for earlier, later in zip(self.gops, self.gops[1:], strict=False)]
        numbers = [self.stream, self.first_frame, self.frames, len(lengths), *lengths]
        return b"".join(map(varint, numbers)) + self.payload

    @classmethod
    def from_bytes(cls, payload: bytes) -> BaseSegment:
        """Read a BASE payload.

        Raises:
            BitstreamError: A field is missing, the segment has no frame, or a group of pictures has none.
        """
        reader = Reader(payload)
        stream, first_frame, frames = (reader.varint(field) for field in ("stream", "first frame", "frame count"))
        if frames == 0:
            raise BitstreamError("holds no frame")
        boundaries = reader.varint("boundary count")
        if boundaries >= MAX_GOPS:
            raise BitstreamError(f"announces {boundaries + 1:,} groups of pictures; at most {MAX_GOPS:,} are allowed")
        gops = [0]
        for _ in range(boundaries):
            length = reader.varint("GoP length")
            if not 0 < length < frames - gops[-1]:
                raise BitstreamError(f"has a boundary {length:,} frames behind frame {gops[-1]:,} of {frames:,}")
            gops.append(gops[-1] + length)
        return cls(stream, first_frame, frames, reader.rest(), tuple(gops))


@dataclass(frozen=True)
class SegmentDigest:
    """What one segment must decode to: exactly for the integers, within 1 code value for the pictures."""

    segment: int
    """Position of the BASE chunk among all BASE chunks."""
    integers: bytes
    """First 16 bytes of the SHA-256 of the decoded integers."""
    samples: tuple[int, ...]
    """Code values of chosen samples, at most 65,536 of them, each below 65,536."""

    def to_bytes(self) -> bytes:
        """Code the digest as a dGST payload."""
        assert len(self.integers) == INTEGER_DIGEST_BYTES
        width = _sample_bytes(self.samples)
        head = varint(self.segment) + self.integers + varint(len(self.samples)) + bytes([width])
        return head + struct.pack(_layout(len(self.samples), width), *self.samples)

    @classmethod
    def from_bytes(cls, payload: bytes) -> SegmentDigest:
        """Read a dGST payload.

        Raises:
            BitstreamError: The payload breaks a rule of the format.
        """
        reader = Reader(payload)
        segment = reader.varint("segment")
        integers = reader.take(INTEGER_DIGEST_BYTES, "digest of the integers")
        count = reader.varint("sample count")
        if count > MAX_DIGEST_SAMPLES:
            raise BitstreamError(f"announces {count:,} samples; at most {MAX_DIGEST_SAMPLES:,} are allowed")
        width = reader.byte("bytes per sample")
        if width not in (1, 2):
            raise BitstreamError(f"announces {width} bytes per sample; possible are 1 and 2")
        samples = struct.unpack(_layout(count, width), reader.take(count * width, "samples"))
        reader.end()
        if width != _sample_bytes(samples):
            raise BitstreamError("spends 2 bytes on samples that fit in 1")
        return cls(segment, integers, samples)


def _sample_bytes(samples: tuple[int, ...]) -> int:
    return 1 if max(samples, default=0) < 256 else 2


def _layout(count: int, width: int) -> str:
    return f">{count}{'B' if width == 1 else 'H'}"
