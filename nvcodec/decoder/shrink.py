"""Pictures at a fraction of their size: the mean over squares of samples. What previews are measured against."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np
import numpy.typing as npt

from nvcodec.types import Planes, VideoFormat


def shrunk_format(video: VideoFormat, divisor: int) -> VideoFormat:
    """Format of pictures whose sides are divided by ``divisor``, rounded up; all else stays."""
    return replace(video, width=ceil(video.width / divisor), height=ceil(video.height / divisor))


def shrunk(planes: Planes, video: VideoFormat, divisor: int) -> Planes:
    """A picture as ``shrunk_format(video, divisor)`` has it.

    Args:
        planes: A picture of ``video``.
        video: Its format.
        divisor: At least 1.

    Returns:
        Code values: means of ``divisor`` x ``divisor`` samples rounded to the nearest integer (halves to even); beyond
        the last row and column of a plane, these are repeated.
    """
    return tuple(video.code_values(np.rint(mean_plane(plane, divisor))) for plane in planes)


def mean_plane(plane: npt.NDArray[np.integer], divisor: int) -> npt.NDArray[np.float32]:
    """Means of squares of a plane of code values, [ceil(rows / divisor), ceil(columns / divisor)]; all exact."""
    rows, columns = plane.shape
    if rows % divisor or columns % divisor:
        plane = np.pad(plane, ((0, -rows % divisor), (0, -columns % divisor)), mode="edge")
    total = np.zeros((plane.shape[0] // divisor, plane.shape[1] // divisor), np.int32)
    for row in range(divisor):
        for column in range(divisor):
            total += plane[row::divisor, column::divisor]
    means: npt.NDArray[np.float32] = total.astype(np.float32) / np.float32(divisor**2)
    return means
