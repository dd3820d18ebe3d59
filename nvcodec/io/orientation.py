"""How pictures have to be turned to stand upright: by right angles, and mirrored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nvcodec.types import Planes, SideData, VideoFormat

_TOLERANCE = math.sin(math.radians(1))
"""A matrix may be off by as much as FFmpeg lets it be."""
_PLACES = {0: (0, 1), 1: (1, 1), 2: (0, 0), 3: (1, 0), 4: (0, 2), 5: (1, 2)}
"""Chroma sample location type of ITU-T H.273 -> (right, down) of the first luma sample, in half samples."""


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a picture down: rows for columns first, then each axis in one direction or other."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    @classmethod
    def of_matrix(cls, matrix: Sequence[int]) -> Orientation | None:
        """What a display matrix asks for; None where it is no right angle.

        Args:
            matrix: Nine numbers as FFmpeg and MP4 have them: a point (x, y) is shown at (a x + c y, b x + d y), with a,
                b, c and d at 0, 1, 3 and 4. Scales are left out.
        """
        a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
        transposed = abs(b) > abs(a)
        along, down, *astray = (c, b, a, d) if transposed else (a, d, b, c)
        if any(abs(each) >= _TOLERANCE * min(abs(along), abs(down)) for each in astray):
            return None
        return cls(transposed, down < 0, along < 0)

    def __str__(self) -> str:
        mirrored = (self.transposed + self.rows_reversed + self.columns_reversed) % 2 == 1
        flipped = self.columns_reversed if self.transposed else self.rows_reversed
        degrees = {(False, False): 0, (False, True): 180, (True, True): 90, (True, False): 270}[
            self.transposed, flipped
        ]
        turned = f"turned by {degrees} degrees" if degrees else ""
        return " and ".join(filter(None, ["mirrored" if mirrored else "", turned])) or "as they are"

    def planes(self, planes: Planes) -> Planes:
        """Turn a picture; its planes are copied where they are not as they were."""
        if self == Orientation():
            return planes
        rows, columns = (-1 if reverse else 1 for reverse in (self.rows_reversed, self.columns_reversed))
        return tuple(
            np.ascontiguousarray((plane.T if self.transposed else plane)[::rows, ::columns]) for plane in planes
        )

    def format(self, format: VideoFormat) -> VideoFormat | None:
        """The format of turned pictures; None where their planes are those of no format, as of 4:2:2 by 90 degrees."""
        if not self.transposed:
            return format
        turned = replace(format, width=format.height, height=format.width)
        shapes = tuple((columns, rows) for rows, columns in format.plane_shapes)
        return turned if shapes == turned.plane_shapes else None

    def side_data(self, side: SideData) -> SideData:
        """Side data of turned pictures; a chroma location that has no number then is not known."""
        aspect, location = side.aspect, side.chroma_location
        if location is not None and self != Orientation():
            right, down = _PLACES[location]
            right, down = (down, right) if self.transposed else (right, down)
            place = (2 - right if self.columns_reversed else right), (2 - down if self.rows_reversed else down)
            location = next((number for number, each in _PLACES.items() if each == place), 0) or None
        return replace(side, aspect=1 / aspect if aspect and self.transposed else aspect, chroma_location=location)
