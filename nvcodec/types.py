"""What a picture and a video are, shared by every package. Pure data; needs numpy, never torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

CodeValues = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Integer samples: uint8 for 8 bit video, uint16 for 10 bit (0..1023) and 12 bit (0..4095)."""

Planes = tuple[CodeValues, ...]
"""One picture as planes [h, w]: (Y, U, V), chroma as large as its format says, (R, G, B), all full size, or (Y,)."""

Time = int | Fraction
"""A time in frames: a whole number is a frame, 5/2 lies half way between frames 2 and 3."""


class ChromaFormat(IntEnum):
    """How a picture is split into planes. The numbers are written to files."""

    YUV420 = 1
    """Y at full size, U and V at half width and half height (odd sizes rounded up)."""
    RGB = 2
    """R, G, B, each at full size."""
    GREY = 3
    """Y alone."""
    YUV422 = 4
    """Y at full size, U and V at half width (odd widths rounded up) and full height."""
    YUV444 = 5
    """Y, U, V, each at full size."""

    @property
    def planes(self) -> int:
        """How many there are."""
        return 1 if self is ChromaFormat.GREY else 3

    @property
    def cell(self) -> tuple[int, int]:
        """Rows and columns of the first plane for each sample of the others: 1 or 2."""
        return _CELLS.get(self, (1, 1))

    def __str__(self) -> str:
        """What people call it."""
        return {"GREY": "grey", "RGB": "RGB"}.get(self.name) or ":".join(self.name.removeprefix("YUV"))


_CELLS = {ChromaFormat.YUV420: (2, 2), ChromaFormat.YUV422: (1, 2)}


class Domain(IntEnum):
    """Which planes a representation draws, and the loss is measured on. The numbers are written to files."""

    YUV420 = 1
    """Y, U, V as they are stored, grey alone as well: the code values of the source itself. The name is from when these
    were always 4:2:0."""
    RGB = 2
    """R, G, B at full size: the protocol of the papers, and RGB sources."""

    def drawn(self, stored: ChromaFormat) -> ChromaFormat:
        """Layout of the planes that are drawn for pictures that are stored as ``stored``."""
        return ChromaFormat.RGB if self is Domain.RGB else stored


@dataclass(frozen=True)
class Colour:
    """How code values are to be read as colours: code points of ITU-T H.273."""

    primaries: int = 2
    """1 BT.709, 5/6 BT.601, 9 BT.2020, 2 unspecified."""
    transfer: int = 2
    """1 BT.709, 6 BT.601, 13 sRGB, 14/15 BT.2020, 16 PQ, 2 unspecified."""
    matrix: int = 2
    """0 RGB, 1 BT.709, 5/6 BT.601, 9 BT.2020 non-constant luminance, 2 unspecified; any other is kept."""
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
    """8, 10 or 12."""
    chroma: ChromaFormat = ChromaFormat.YUV420
    colour: Colour = Colour()

    @property
    def plane_shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) of each plane."""
        rows, columns = self.chroma.cell
        others = (-(-self.height // rows), -(-self.width // columns))
        return ((self.height, self.width), *[others] * (self.chroma.planes - 1))

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """Numpy type of one sample."""
        return np.uint8 if self.bit_depth == 8 else np.uint16

    def code_values(self, plane: npt.NDArray[Any]) -> CodeValues:
        """Whole numbers 0 to the peak of any type, as those of one sample."""
        return plane.astype(np.uint8) if self.bit_depth == 8 else plane.astype(np.uint16)

    @property
    def peak(self) -> int:
        """Largest code value: 255, 1023 or 4095."""
        return (1 << self.bit_depth) - 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one raw planar picture (two bytes a sample beyond 8 bit)."""
        samples = sum(rows * columns for rows, columns in self.plane_shapes)
        return samples * (1 if self.bit_depth == 8 else 2)
