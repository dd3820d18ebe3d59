"""Frames as they are handed to those who train and show: RGB tensors, and when each is on screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex, overload

import numpy as np

from nvcodec.color import to_rgb
from nvcodec.types import Planes, VideoFormat

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """One frame."""

    data: Tensor
    """RGB, full-range code values [3, height, width] in CPU memory: uint8, or uint16 of 10 and 12 bit video."""
    pts_seconds: float | None
    """When it appears; None without a frame rate."""
    duration_seconds: float | None
    """How long it is on screen; None without a frame rate."""

    def __repr__(self) -> str:
        times = f"pts_seconds={self.pts_seconds}, duration_seconds={self.duration_seconds}"
        return f"Frame(data={_described(self.data)}, {times})"


@dataclass(frozen=True, eq=False, repr=False)
class FrameBatch:
    """Several frames; ``len``, indices and iteration give single ones, slices give some of them."""

    data: Tensor
    """RGB, full-range code values [N, 3, height, width] in CPU memory: uint8, or uint16 of 10 and 12 bit video."""
    pts_seconds: Tensor | None
    """When each appears, float64 [N]; None without a frame rate."""
    duration_seconds: Tensor | None
    """How long each is on screen, float64 [N]; None without a frame rate."""

    def __len__(self) -> int:
        return len(self.data)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Frame: ...

    @overload
    def __getitem__(self, index: slice) -> FrameBatch: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Frame | FrameBatch:
        """A frame of the batch, or some of them; shares memory, but for slices that go backwards.

        Raises:
            IndexError: There is none.
        """
        if isinstance(index, slice):
            # torch has no steps backwards
            rows: slice | list[int] = index if (index.step or 1) > 0 else list(range(len(self))[index])
            return FrameBatch(self.data[rows], *(None if seconds is None else seconds[rows] for seconds in self._times))
        times = (None if seconds is None else float(seconds[index]) for seconds in self._times)
        return Frame(self.data[index], *times)

    def __iter__(self) -> Iterator[Frame]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        pts, duration = (None if seconds is None else _described(seconds) for seconds in self._times)
        return f"FrameBatch(data={_described(self.data)}, pts_seconds={pts}, duration_seconds={duration})"

    @property
    def _times(self) -> tuple[Tensor | None, Tensor | None]:
        return self.pts_seconds, self.duration_seconds


def rgb_tensor(pictures: Iterable[tuple[Sequence[int], Planes]], count: int, video: VideoFormat) -> Tensor:
    """Pictures in RGB at their own bit depth, one after another.

    Args:
        pictures: The places in the result that each is to take, and its planes.
        count: Number of places.
        video: Format of the planes.

    Returns:
        uint8 (8 bit) or uint16 (10 and 12 bit) [count, 3, height, width], full-range code values.

    Raises:
        UnsupportedError: The colour matrix is none that can be converted.
    """
    import torch

    frames = np.empty((count, 3, video.height, video.width), video.dtype)
    for places, planes in pictures:
        for channel, plane in enumerate(to_rgb(planes, video)):
            frames[places, channel] = plane
    return torch.from_numpy(frames)


def _described(tensor: Tensor) -> str:
    """``uint8 [3, 48, 64]``."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
