"""Chunks <-> bytes: framing, checksums, and telling a damaged file from one that was cut."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zlib import crc32

from nvcodec.container.ids import SIGNATURE, UPGRADE_HINT, VERSION
from nvcodec.container.limits import Limits
from nvcodec.errors import BitstreamError, NvcError, UnsupportedError

PREAMBLE_BYTES = len(SIGNATURE) + 2
_HEADER = struct.Struct(">I4sI")
_CRC = struct.Struct(">I")
CHUNK_OVERHEAD_BYTES = _HEADER.size + _CRC.size


class TruncatedError(BitstreamError):
    """The file ends inside a chunk; everything before that chunk is sound."""


class LostError(BitstreamError):
    """A damaged header hides where the next chunk starts; everything before it is sound."""


@dataclass(frozen=True)
class ChunkInfo:
    """Where one chunk lies in the file."""

    type: str
    """Four letters."""
    offset: int
    """Byte of the file its header starts at."""
    length: int
    """Payload bytes."""
    crc: int
    """CRC-32 of type and payload, as stored."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return _name(self.type, self.offset)

    @property
    def end(self) -> int:
        """First byte of the file behind the chunk."""
        return self.offset + self.length + CHUNK_OVERHEAD_BYTES

    def payload(self, data: bytes) -> bytes:
        """Cut the payload out of the bytes of the file."""
        start = self.offset + _HEADER.size
        return data[start : start + self.length]

    def is_sound(self, data: bytes) -> bool:
        """Whether type and payload match their checksum."""
        payload = memoryview(data)[self.offset + _HEADER.size : self.end - _CRC.size]
        return crc32(payload, crc32(self.type.encode("ascii"))) == self.crc

    def check(self, data: bytes) -> None:
        """Compare type and payload with their checksum.

        Raises:
            BitstreamError: They differ.
        """
        if not self.is_sound(data):
            raise BitstreamError("fails its checksum")


def preamble_bytes(minor: int = 0) -> bytes:
    """Signature and version: the first ten bytes of every file this program writes."""
    return SIGNATURE + bytes((VERSION[0], minor))


def read_preamble(data: bytes) -> tuple[int, int]:
    """Check signature and version, and return the version as (major, minor).

    Raises:
        BitstreamError: This is no nvc file, or it ends within the first ten bytes.
        UnsupportedError: The version is not one this program reads.
    """
    found = data[: len(SIGNATURE)]
    if not SIGNATURE.startswith(found):
        converted = found.startswith((b"\x89NVC\n", b"\x89NVC\r\r", b"\x09NVC"))
        hint = "It was copied in text mode; copy it again in binary mode" if converted else ""
        raise BitstreamError(f"is not an nvc file: its signature is {found.hex(' ')}", hint)
    if len(data) < PREAMBLE_BYTES:
        raise BitstreamError(f"is truncated: {len(data)} bytes are there, signature and version take {PREAMBLE_BYTES}")
    major, minor = data[len(SIGNATURE) : PREAMBLE_BYTES]
    if major < 1:
        raise UnsupportedError(f"uses bitstream version {major}.{minor}, which does not exist", "The file is damaged")
    if (major, minor) > VERSION:
        newest = "{}.{}".format(*VERSION)
        raise UnsupportedError(f"uses bitstream version {major}.{minor}; this nvc reads up to {newest}", UPGRADE_HINT)
    return major, minor


def chunk_bytes(chunk_type: str, payload: bytes) -> bytes:
    """Frame a payload; the result may be appended to any finished file.

    Args:
        chunk_type: Four ASCII letters.
        payload: Fewer than 2**32 bytes.
    """
    name = chunk_type.encode("ascii")
    assert _is_type(name), chunk_type
    head = struct.pack(">I4s", len(payload), name)
    return head + _CRC.pack(crc32(head)) + payload + _CRC.pack(crc32(payload, crc32(name)))


def iter_chunks(data: bytes, limits: Limits) -> Iterator[ChunkInfo]:
    """Walk over the chunks behind the preamble. Headers are checked; payloads are for the caller to check.

    Args:
        data: The whole file.
        limits: Bounds on the number and size of chunks.

    Raises:
        TruncatedError: The file ends inside a chunk.
        LostError: The checksum of a header fails.
        BitstreamError: A type is not four letters.
        UnsupportedError: A chunk is above a limit.
    """
    offset, count = PREAMBLE_BYTES, 0
    while offset < len(data):
        chunk = _read_chunk(data, offset, limits)
        count += 1
        limits.check("max_chunks", count, "has {} chunks or more")
        yield chunk
        offset = chunk.end


def announced_type(data: bytes, offset: int) -> str | None:
    """Type of the chunk that begins there, whole or cut; None where there is no sound header."""
    header = data[offset : offset + _HEADER.size]
    if len(header) < _HEADER.size:
        return None
    _, raw_type, header_crc = _HEADER.unpack(header)
    return raw_type.decode("latin-1") if crc32(header[:8]) == header_crc else None


@contextmanager
def naming(chunk: ChunkInfo) -> Iterator[None]:
    """Put the name and place of a chunk in front of errors about its content."""
    try:
        yield
    except NvcError as error:
        raise type(error)(f"{chunk.name} {error.message}", error.hint) from error


def _read_chunk(data: bytes, offset: int, limits: Limits) -> ChunkInfo:
    left = len(data) - offset
    if left < _HEADER.size:
        raise TruncatedError(f"chunk at byte {offset:,} is truncated: {left} of {_HEADER.size} header bytes are there")
    length, raw_type, header_crc = _HEADER.unpack_from(data, offset)
    name = _name(raw_type.decode("latin-1"), offset)
    if crc32(data[offset : offset + 8]) != header_crc:
        raise LostError(f"{name} has a damaged header")
    if not _is_type(raw_type):
        raise BitstreamError(f"{name} has a type that is not four letters")
    limits.check("max_chunk_bytes", length, f"{name} announces {{}} bytes")
    if left < length + CHUNK_OVERHEAD_BYTES:
        raise TruncatedError(f"{name} is truncated: {left:,} of {length + CHUNK_OVERHEAD_BYTES:,} bytes are there")
    (crc,) = _CRC.unpack_from(data, offset + _HEADER.size + length)
    return ChunkInfo(raw_type.decode("ascii"), offset, length, crc)


def _is_type(name: bytes) -> bool:
    return len(name) == 4 and name.isalpha()


def _name(chunk_type: str, offset: int) -> str:
    return f"chunk {chunk_type!a} at byte {offset:,}"
