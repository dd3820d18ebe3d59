"""PNG pictures, one or a folder of them, the habit of those who train neural representations. All become 8-bit RGB."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple, final
from zlib import crc32

from nvcodec.errors import InputError
from nvcodec.io.av_frames import encode_png
from nvcodec.io.folder import unlike
from nvcodec.io.geometry import checked_size, describe
from nvcodec.io.png_pixels import DEPTHS, decode_png
from nvcodec.io.saying import ALPHA
from nvcodec.types import SRGB, ChromaFormat, Planes, SideData, VideoFormat

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WITH_ALPHA = (4, 6)
"""Colour types."""
_PHYS, _TRNS = b"pHYs", b"tRNS"
_SMALL = 1 << 16
"""Bytes of a chunk that are looked at."""


@final
class PngReader:
    """Pictures of files.

    Args:
        paths: In order.

    Raises:
        InputError: A file is no PNG of at most 8 bits and of the size of the first.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.choosable = False
        self._paths = paths
        first = _read_header(self._paths[0])
        transparent = first.transparent
        for path in self._paths[1:]:
            other = _read_header(path)
            transparent = transparent or other.transparent
            if (other.width, other.height) != (first.width, first.height):
                raise unlike(path, (other.width, other.height), self._paths[0], (first.width, first.height))
        self.format = VideoFormat(first.width, first.height, chroma=ChromaFormat.RGB, colour=SRGB)
        self.frame_count: int | None = len(self._paths)
        self.origin = f"geometry {describe(self.format)} (from {self._paths[0].name})"
        self._side_data = SideData(first.aspect)
        self.notices = [ALPHA] if transparent else []

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield the pictures from number ``first`` on.

        Raises:
            InputError: A file is damaged or has changed since it was opened.
        """
        for path in self._paths[first:]:
            planes = decode_png(path.read_bytes(), str(path))
            if planes[0].shape != (self.format.height, self.format.width):
                raise InputError(f"{path} has changed while being read", "Start again.")
            yield planes

    def said(self, _first: int, _count: int) -> SideData:
        """Side data of some of the pictures: that of the first one of all."""
        return self._side_data

    def close(self) -> None:
        """Nothing is kept open."""


def is_deep(path: Path) -> bool:
    """Whether a file is a PNG of 16 bits per sample, which is not for :class:`PngReader`."""
    with path.open("rb") as stream:
        start = stream.read(26)
    return start[:8] == _SIGNATURE and start[24:25] == b"\x10"


def png_file(planes: Planes, aspect: Fraction | None) -> bytes:
    """An 8-bit RGB picture as a PNG file.

    Args:
        planes: Three uint8 planes [height, width].
        aspect: Width of a sample divided by its height; None: nothing is said of it.
    """
    data = encode_png(planes)
    return data if aspect is None else _with_aspect(data, aspect)


class _Header(NamedTuple):
    """What a PNG file says in front of its pixels."""

    width: int
    height: int
    transparent: bool
    aspect: Fraction | None
    """Width of a sample divided by its height, where they differ."""


def _read_header(path: Path) -> _Header:
    """Read what stands in front of the pixels of a PNG file, which must be of a kind that can be decoded."""
    with path.open("rb") as stream:
        start = stream.read(26)
        if len(start) < 26 or start[:8] != _SIGNATURE or start[12:16] != b"IHDR":
            raise InputError(f"{path} is not a PNG file", "Take it out of the folder.")
        width, height, bit_depth, colour_type = struct.unpack(">IIBB", start[16:26])
        if bit_depth not in DEPTHS.get(colour_type, ()):
            raise InputError(
                f"{path} has bit depth {bit_depth} and colour type {colour_type}; "
                "PNG of up to 8 bits can be read, or all of 16",
                "Put pictures of 16 bits into a folder of their own.",
            )
        stream.seek(len(_SIGNATURE))
        said: dict[bytes, bytes] = {}
        for kind, data in _chunks_in_front(stream):
            if kind in (_PHYS, _TRNS):
                said.setdefault(kind, data)
    checked_size(width, height, str(path))
    transparent = colour_type in _WITH_ALPHA or _TRNS in said
    return _Header(width, height, transparent, _aspect(said.get(_PHYS, b"")))


def _chunks_in_front(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Type of the chunks that stand in front of the pixels, and what they begin with."""
    while len(head := stream.read(8)) == 8 and head[4:] != b"IDAT":
        length = int.from_bytes(head[:4], "big")
        yield head[4:], stream.read(min(length, _SMALL))
        stream.seek(max(0, length - _SMALL) + 4, os.SEEK_CUR)


def _aspect(phys: bytes) -> Fraction | None:
    """Width of a sample divided by its height, where the data of a pHYs chunk say that they differ."""
    if len(phys) != 9:
        return None
    across, down = struct.unpack(">II", phys[:8])  # samples in a unit of length
    return Fraction(down, across) if across and down and across != down else None


def _with_aspect(data: bytes, aspect: Fraction) -> bytes:
    """A PNG file that says the shape of its samples; of its own, it says nothing."""
    start = data.index(_PHYS) - 4
    said = _PHYS + struct.pack(">IIB", aspect.denominator, aspect.numerator, 0)
    return data[: start + 4] + said + struct.pack(">I", crc32(said)) + data[start + 4 + len(said) + 4 :]
