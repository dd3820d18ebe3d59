"""What a picture and a video are, shared by every package. Pure data; needs numpy, never torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from math import gcd, lcm
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


@dataclass(frozen=True)
class MasteringDisplay:
    """The display a video was graded on, in the units of H.265 and PNG."""

    primaries: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0), (0, 0))
    """CIE 1931 x and y of green, blue and red, in units of 1/50000, 0..65535; all 0: not known."""
    white: tuple[int, int] = (0, 0)
    """Of its white point."""
    max_luminance: int = 0
    """In units of 1/10000 candela per square metre, below 2**32; both 0: not known."""
    min_luminance: int = 0


@dataclass(frozen=True)
class ContentLight:
    """How bright the pictures get, in candela per square metre, 0..65535; 0: not known."""

    max_content: int
    """The brightest pixel of all (MaxCLL)."""
    max_average: int
    """The brightest frame on average (MaxFALL)."""


@dataclass(frozen=True)
class Timestamps:
    """When the frames of a video of variable rate are on screen; the first one appears at 0."""

    time_base: Fraction
    """Seconds of a tick."""
    ticks: tuple[int, ...]
    """How long each frame is on screen, the last one included; at least 1."""

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Tick at which each frame appears, and that at which the last one ends."""
        return tuple(accumulate(self.ticks, initial=0))

    @property
    def fps(self) -> Fraction:
        """Mean frames per second: at that rate, the video takes as long."""
        return len(self.ticks) / (self.starts[-1] * self.time_base)

    @property
    def is_even(self) -> bool:
        """Whether all are on screen for as long."""
        return len(set(self.ticks)) == 1

    def start(self, frame: Time) -> Fraction:
        """Seconds at which a frame appears, 0 to their number; between frames, times are too."""
        whole = min(int(frame), len(self.ticks) - 1)
        return (self.starts[whole] + (frame - whole) * self.ticks[whole]) * self.time_base

    def of(self, frames: Sequence[Time]) -> Timestamps:
        """Those of some of the frames, in ascending order, or of times between them.

        The first one appears at 0, each stays until the next, the last one as long as it did or until the next time.
        """
        step = min(1, frames[1] - frames[0]) if len(frames) > 1 else 1
        starts = [self.start(frame) for frame in (*frames, frames[-1] + step)]
        return Timestamps.of_seconds([later - earlier for earlier, later in pairwise(starts)])

    @classmethod
    def of_seconds(cls, seconds: Sequence[Fraction]) -> Timestamps:
        """Frames that are on screen for so many seconds each, all above 0; a tick is as long as it can be."""
        below = lcm(*(each.denominator for each in seconds))
        parts = [each.numerator * (below // each.denominator) for each in seconds]
        unit = gcd(*parts)
        return cls(Fraction(unit, below), tuple(part // unit for part in parts))


@dataclass(frozen=True)
class SideData:
    """What a video says besides its pictures and their format; None where it says nothing."""

    aspect: Fraction | None = None
    """Width of a sample, divided by its height; None: they are square."""
    chroma_location: int | None = None
    """Where samples of 4:2:0 chroma lie: chroma sample location type of H.273, 1..5; None: type 0, at the left."""
    mastering: MasteringDisplay | None = None
    light: ContentLight | None = None
    timestamps: Timestamps | None = None
    """None: frames are on screen equally long, as the frame rate says."""


NOTHING_SAID = SideData()
"""Side data of a video of which there is none."""
