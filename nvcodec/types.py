"""What a picture and a video are, shared by every package. Pure data; needs numpy, never torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction

import numpy as np
import numpy.typing as npt

CodeValues = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Integer samples: uint8 for 8 bit video, uint16 (0..1023) for 10 bit."""

Planes = tuple[CodeValues, CodeValues, CodeValues]
"""One picture as three planes [h, w]: (Y, U, V), chroma at half size rounded up, or (R, G, B), all full size."""

Time = int | Fraction
"""A time in frames: a whole number is a frame, 5/2 lies half way between frames 2 and 3."""


class ChromaFormat(IntEnum):
    """How a picture is split into planes. The numbers are written to files."""

    YUV420 = 1
    """Y at full size, U and V at half width and half height (odd sizes rounded up)."""
    RGB = 2
    """R, G, B, each at full size."""


class Domain(IntEnum):
    """Which planes a representation draws, and the loss is measured on. The numbers are written to files."""

    YUV420 = 1
    """Y, U, V with chroma at half size: the code values of the source itself."""
    RGB = 2
    """R, G, B at full size: the protocol of the papers, and RGB sources."""

    @property
    def chroma(self) -> ChromaFormat:
        """Layout of the planes that are drawn."""
        return ChromaFormat.YUV420 if self is Domain.YUV420 else ChromaFormat.RGB


@dataclass(frozen=True)
class Colour:
    """How code values are to be read as colours: code points of ITU-T H.273."""

    primaries: int = 2
    """1 BT.709, 5/6 BT.601, 9 BT.2020, 2 unspecified."""
    transfer: int = 2
    """1 BT.709, 6 BT.601, 13 sRGB, 14/15 BT.2020, 16 PQ, 2 unspecified."""
    matrix: int = 2
    """0 RGB, 1 BT.709, 5/6 BT.601, 9 BT.2020 non-constant luminance, 2 unspecified."""
    full_range: bool = False
    """True: luma 0..255 (8 bit). False: luma 16..235, chroma 16..240."""


SRGB = Colour(primaries=1, transfer=13, matrix=0, full_range=True)
"""RGB of which nothing else is said."""


@dataclass(frozen=True)
class VideoFormat:
    """Everything about a video but its pictures."""

    width: int
    """Luma samples per row."""
    height: int
    """Luma rows."""
    fps: Fraction | None = None
    """Exact frame rate in frames per second; None when nothing says it."""
    bit_depth: int = 8
    """8 or 10."""
    chroma: ChromaFormat = ChromaFormat.YUV420
    colour: Colour = Colour()

    @property
    def plane_shapes(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """(rows, columns) of the three planes."""
        full = (self.height, self.width)
        if self.chroma is ChromaFormat.RGB:
            return full, full, full
        half = ((self.height + 1) // 2, (self.width + 1) // 2)
        return full, half, half

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Numpy type of one sample."""
        return np.uint8 if self.bit_depth == 8 else np.uint16

    @property
    def peak(self) -> int:
        """Largest code value: 255 or 1023."""
        return (1 << self.bit_depth) - 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one raw planar picture (two bytes a sample at 10 bit)."""
        samples = sum(rows * columns for rows, columns in self.plane_shapes)
        return samples * (1 if self.bit_depth == 8 else 2)
