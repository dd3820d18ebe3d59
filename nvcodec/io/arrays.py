"""Pictures that are in memory already, as arrays and tensors are. numpy only: tensors are known by what they can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from nvcodec.errors import UsageError
from nvcodec.io.geometry import checked_size, describe
from nvcodec.types import NOTHING_SAID, SRGB, ChromaFormat, Planes, SideData, VideoFormat

if TYPE_CHECKING:
    from torch import Tensor

    FrameArray: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | Tensor

_DEPTHS = {"uint8": 8, "uint16": 10}


@final
class ArrayReader:
    """RGB frames of an array or tensor, read where they lie; ``str`` is what messages call it.

    Args:
        frames: [N, 3, height, width], full-range code values: uint8, or uint16 of 0..1023 for 10 bit; of any strides,
            and tensors on any device.

    Raises:
        UsageError: The array has another shape, type or range.
        InputError: A picture is too large.
    """

    def __init__(self, frames: FrameArray) -> None:
        self._frames = _checked(frames)
        count, _, height, width = self._frames.shape
        checked_size(width, height, str(self))
        depth = _DEPTHS[self._frames.dtype.name]
        self.format = VideoFormat(width, height, None, depth, ChromaFormat.RGB, SRGB)
        self.frame_count: int | None = count
        self.choosable = False
        self.notices: list[str] = []
        self.origin = f"{describe(self.format)} {count} frame{'' if count == 1 else 's'}"

    def __str__(self) -> str:
        return "array"

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield copies of the pictures from number ``first`` on."""
        for red, green, blue in self._frames[first:]:
            yield red.copy(), green.copy(), blue.copy()

    def said(self, _first: int, _count: int) -> SideData:
        """Arrays say nothing."""
        return NOTHING_SAID

    def close(self) -> None:
        """The array is the caller's."""


Video: TypeAlias = str | ArrayReader
"""What is encoded: the path of a file or folder, ``-`` for standard input, or pictures in memory."""


def is_array(source: object) -> bool:
    """Whether something is an array or tensor, of any kind and shape."""
    return hasattr(source, "dtype") and hasattr(source, "shape")


def as_video(source: object) -> Video:
    """What was given to be encoded: an array or tensor, or the path of a video.

    Raises:
        UsageError, InputError: See :class:`ArrayReader`.
    """
    return ArrayReader(source) if is_array(source) else str(source)  # type: ignore[arg-type]


def path_of(video: Video) -> str:
    """Where a video can be read again; ``-`` where it cannot: standard input, and pictures in memory."""
    return video if isinstance(video, str) else "-"


def _checked(frames: Any) -> npt.NDArray[Any]:
    """The frames as an array uint8 or uint16 [N, 3, height, width].

    Raises:
        UsageError: That is not what they are.
    """
    kind = str(frames.dtype).removeprefix("torch.")
    shape = tuple(frames.shape)
    if kind not in _DEPTHS:
        remedy = "round(255 * frames) as uint8, if they are 0..1" if "float" in kind else "frames of uint8"
        raise UsageError(f"an array of {kind} is no video: frames are uint8, or uint16 for 10 bit", f"Give {remedy}")
    if len(shape) != 4 or shape[1] != 3:
        raise UsageError(f"an array of shape {shape} is no video: frames are [N, 3, height, width]", _remedy(shape))
    if shape[0] == 0:
        raise UsageError("the array holds no frame", "Give one or more")
    if isinstance(frames, np.ma.MaskedArray):
        raise UsageError("the array has masked samples, which no file can hold", "Fill them:  frames.filled(0)")
    array = np.asarray(frames.detach().cpu() if hasattr(frames, "detach") else frames)
    if kind == "uint16" and (largest := int(array.max())) > 1023:
        raise UsageError(
            f"the array holds {largest}, but 10-bit samples are 0..1023", "Give frames >> 6, if they have 16 bits"
        )
    return array


def _remedy(shape: tuple[int, ...]) -> str:
    """How to make frames of an array of another shape."""
    if len(shape) == 4 and shape[3] == 3:
        return "Move the channels:  frames.transpose(0, 3, 1, 2), or .permute of a tensor"
    if len(shape) == 3 and shape[0] == 3:
        return "Give one frame as frames[None]"
    if len(shape) == 5:
        return "Give one video at a time:  frames[0]"
    return "Grey and RGBA pictures have to be made RGB first"
