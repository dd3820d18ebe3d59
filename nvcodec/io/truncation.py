"""Whether a video file was cut: by what its outermost boxes, chunks or elements say of their length."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_MOST_BOXES = 100_000
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_TS_PACKET, _TS_SYNC = 188, 0x47
_IVF_HEADER, _IVF_FRAME = 32, 12


def missing_bytes(path: Path) -> int:
    """Bytes that a file is shorter than it says; 0 where it is whole, or does not say.

    Known are MP4 and MOV, AVI, Matroska and WebM, IVF, and MPEG transport streams, whose last packet may be cut.

    Raises:
        OSError: The file cannot be read.
    """
    size = os.path.getsize(path)
    with path.open("rb") as file:
        start = file.read(12)
        if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _missing_boxes(file, size)
        if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
            return _missing_riff(file, size)
        if start[:4] == _EBML:
            return _missing_segment(file, size)
        if start[:4] == b"DKIF":
            return _missing_ivf(file, size)
        file.seek(0)
        packets = file.read(3 * _TS_PACKET)
    if len(packets) == 3 * _TS_PACKET and all(packets[at] == _TS_SYNC for at in range(0, len(packets), _TS_PACKET)):
        return -size % _TS_PACKET
    return 0


def _missing_boxes(file: BinaryIO, size: int) -> int:
    offset = 0
    for _ in range(_MOST_BOXES):
        file.seek(offset)
        header = file.read(16)
        if len(header) < 8 or not header[4:8].isascii():
            break  # a few zeros at the end are no box
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:], "big")
        if length < 8:
            break  # 0: to the end of the file
        offset += length
    return max(0, offset - size)


def _missing_riff(file: BinaryIO, size: int) -> int:
    offset = 0
    for _ in range(_MOST_BOXES):
        file.seek(offset)
        header = file.read(8)
        if len(header) < 8 or header[:4] != b"RIFF":
            break
        length = int.from_bytes(header[4:], "little")
        if length in (0, 0xFFFFFFFF):  # of a writer that was stopped, or could not go back
            break
        offset += 8 + length
        if offset > size:
            return offset - size
        offset += length % 2
    return 0


def _missing_segment(file: BinaryIO, size: int) -> int:
    file.seek(4)
    header = _ebml_size(file)
    if header is None:
        return 0
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != _SEGMENT or (length := _ebml_size(file)) is None:
        return 0
    return max(0, file.tell() + length - size)


def _ebml_size(file: BinaryIO) -> int | None:
    """Read the length of an element; None where it is not known, or the file ends."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    rest = file.read(width - 1)
    value = int.from_bytes(first + rest, "big") & ((1 << 7 * width) - 1)
    return None if len(rest) < width - 1 or value == (1 << 7 * width) - 1 else value


def _missing_ivf(file: BinaryIO, size: int) -> int:
    offset = _IVF_HEADER
    while offset < size:
        file.seek(offset)
        header = file.read(4)
        if len(header) < 4:
            return _IVF_FRAME - (size - offset)
        offset += _IVF_FRAME + int.from_bytes(header, "little")
    return max(0, offset - size)
