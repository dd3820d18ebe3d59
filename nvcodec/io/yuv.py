"""Raw planar video, one byte a sample at 8 bit and two little-endian ones beyond: no header at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, final

import numpy as np

from nvcodec.errors import InputError
from nvcodec.io.geometry import COMMON_SIZES, pixel_format_of, raw_format
from nvcodec.io.raw_depth import depth_seen
from nvcodec.io.saying import only_before, plural
from nvcodec.types import NOTHING_SAID, CodeValues, Planes, SideData, VideoFormat


@final
class YuvReader:
    """Pictures of a raw file, reached by byte offset.

    Args:
        path: File to read.
        size: (width, height) in luma samples; None takes it from the file name.
        fps: Frames per second; None takes it from the file name, which may say nothing.
        pix_fmt: One of ``PIXEL_FORMATS``; None takes it from the file name, else 4:2:0, in as many bits as the samples
            have.
        end: How many pictures will be read, those skipped counted; None = all.
        allow_truncated: Leave out a last picture that is not whole, with a notice.

    Raises:
        InputError: The size is unknown, or the file ends amid a picture that will be read.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int] | None,
        fps: Fraction | None,
        pix_fmt: str | None,
        end: int | None = None,
        allow_truncated: bool = False,
    ) -> None:
        self.format, self.origin = raw_format(path, size, fps, pix_fmt, depth_seen(path))
        self.choosable = False
        self._name = str(path)
        self.notices: list[str] = []
        whole = path.stat().st_size // self.format.frame_bytes
        is_short = end is None or end > whole
        if allow_truncated and is_short and whole and path.stat().st_size % self.format.frame_bytes:
            self.frame_count: int | None = whole
            self.notices.append(only_before(f"frame {whole} is cut off", whole))
        else:
            self.frame_count = _whole_frames(path, self.format, end)
        self._stream = path.open("rb")

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield the pictures from number ``first`` on."""
        self._stream.seek(first * self.format.frame_bytes)
        index = first
        while index < (self.frame_count or 0) and (data := self._stream.read(self.format.frame_bytes)):
            yield split_planes(data, self.format, f"{self._name}: frame {index}")
            index += 1

    def said(self, _first: int, _count: int) -> SideData:
        """Raw video says nothing."""
        return NOTHING_SAID

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


@final
class YuvWriter:
    """Writes pictures one after another to a binary stream, which it closes in the end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, planes: Planes) -> None:
        """Append one picture."""
        write_planes(self._stream, planes)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def split_planes(data: bytes, format: VideoFormat, where: str) -> Planes:
    """Cut one raw picture into its planes.

    Args:
        data: ``format.frame_bytes`` bytes.
        format: Size, depth and chroma format.
        where: Words for messages that name the picture, as in ``clip.yuv: frame 3``.

    Raises:
        InputError: ``data`` is too short, or holds values that its depth cannot.
    """
    check_whole(data, format.frame_bytes, where)
    # A bytearray makes the planes writable, as torch wants them.
    memory = bytearray(data)
    samples: CodeValues = np.frombuffer(memory, np.uint8)
    if format.bit_depth != 8:
        samples = np.frombuffer(memory, "<u2").astype(np.uint16, copy=False)
    if format.bit_depth != 8 and (largest := int(samples.max())) > format.peak:
        raise InputError(
            f"{where} holds the value {largest:,}, beyond {format.bit_depth} bit",
            "Video of another depth, or P010? Say which with --pix-fmt, or convert it to yuv420p10le with ffmpeg.",
        )
    planes = []
    start = 0
    for rows, columns in format.plane_shapes:
        planes.append(samples[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return tuple(planes)


def check_whole(data: bytes, frame_bytes: int, where: str) -> None:
    """Refuse a raw picture that is cut off.

    Raises:
        InputError: It is.
    """
    if len(data) != frame_bytes:
        raise InputError(
            f"{where} is cut off: {len(data):,} of {frame_bytes:,} bytes",
            "Take the file again, or use the whole frames before it:  --allow-truncated, or --frames.",
        )


def write_planes(stream: BinaryIO, planes: Planes) -> None:
    """Write the planes as one raw picture."""
    for plane in planes:
        stream.write(plane.astype(plane.dtype.newbyteorder("<"), copy=False).tobytes())


def _whole_frames(path: Path, format: VideoFormat, end: int | None) -> int:
    """Count the pictures of a file, which must be a whole number of them unless those up to ``end`` are whole."""
    size_bytes = path.stat().st_size
    frames, rest = divmod(size_bytes, format.frame_bytes)
    if frames > 0 and (rest == 0 or (end is not None and end <= frames)):
        return frames
    name = f"{format.width}x{format.height} {format.bit_depth}-bit {format.chroma}"
    if size_bytes == 0:
        raise InputError(f"{path} is empty", "A raw video holds at least one frame.")
    raise InputError(
        f"{path} is {size_bytes:,} bytes: not a whole number of {name} frames "
        f"({plural(frames, 'frame')} + {plural(rest, 'byte')})",
        _alternatives(size_bytes, format),
    )


def _alternatives(size_bytes: int, format: VideoFormat) -> str:
    """Name the usual sizes and depths that do divide the file."""
    guesses = []
    for width, height in dict.fromkeys([(format.width, format.height), *COMMON_SIZES.values()]):
        for bit_depth in (8, 10):  # 12 bit is as long as 10
            guess = replace(format, width=width, height=height, bit_depth=bit_depth)
            pix_fmt = pixel_format_of(guess)
            frames, rest = divmod(size_bytes, guess.frame_bytes)
            if rest == 0:
                guesses.append(f"  -s {width}x{height} --pix-fmt {pix_fmt}  ({plural(frames, 'frame')})")
    if not guesses:
        return "Give the true geometry (-s WxH --pix-fmt yuv420p or yuv420p10le), or take the file again if it was cut."
    return "It would be whole with:\n" + "\n".join(guesses)
