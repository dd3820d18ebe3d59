"""Where pictures come from: one way to open every kind of video."""

from __future__ import annotations

import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, final

from nvcodec.errors import InputError, UsageError, quoted
from nvcodec.io.arrays import ArrayReader
from nvcodec.io.conversion import AS_IT_IS, Conversion, ConvertedReader, Reader
from nvcodec.io.geometry import PIXEL_FORMATS, check_options
from nvcodec.io.saying import no_stream, only_drawn, too_far
from nvcodec.io.standard import is_terminal, standard_input
from nvcodec.io.y4m import MAGIC, Y4mReader
from nvcodec.io.yuv import YuvReader
from nvcodec.types import Planes, SideData, Timestamps, VideoFormat

_ASSUMED_RATE = Fraction(25)
_RAW_SUFFIXES = {".yuv", ".raw"}
VIDEO_SUFFIXES = {
    ".3gp", ".avi", ".flv", ".ivf", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".obu",
    ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m", ".yuv",
}  # fmt: skip
"""Names that say that a file is a video. Anything else may be one."""
PICTURE_SUFFIXES = {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
"""Names that say that a file is a picture."""


class VideoSource(ABC):
    """A video that can be gone through once, picture by picture; a context manager."""

    format: VideoFormat
    """Size, depth, rate and colour of every picture."""
    frame_count: int | None
    """Number of pictures iteration will yield; None while unknown, as with a pipe."""
    origin: str
    """What was inferred and from where, as in ``geometry 1920x1080 8-bit 120 fps (from the file name)``."""
    notices: list[str]
    """What of the file is not kept, was chosen or is missing, one line each; some are only known at the end."""

    @property
    @abstractmethod
    def side_data(self) -> SideData:
        """What the file says besides, of the pictures that were yielded: complete when all were."""

    @property
    @abstractmethod
    def fps(self) -> Fraction | None:
        """Frames per second: that of ``format``, unless the times of the pictures that were yielded show another."""

    @abstractmethod
    def __iter__(self) -> Iterator[Planes]:
        """Yield each picture as writable planes of ``format``, once.

        Raises:
            InputError: The video is damaged, or ends before the frames asked for.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the file; may be called again."""

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@final
class _FrameRange(VideoSource):
    """The frames of a file that were asked for."""

    def __init__(
        self,
        reader: Reader,
        name: str,
        fps: Fraction | None,
        seek: int,
        frames: int | None,
        rate_is: str = "from the options",
    ) -> None:
        self._reader = reader
        self._name = name
        self._seek = seek
        self._frames = frames
        self._started = False
        self._taken = 0
        self._rate_is_given = fps is not None
        self.format, self.origin, self.notices = reader.format, reader.origin, reader.notices
        if fps and fps != reader.format.fps:
            self.format = replace(reader.format, fps=fps)
            self.origin += f"; {fps} fps {rate_is}"
        total = reader.frame_count
        if total is not None:
            self._check_end(total)
        self.frame_count = frames if frames or total is None else total - seek

    @property
    def side_data(self) -> SideData:
        side, times = self._reader.said(self._seek, self._taken), self._times()
        return replace(side, timestamps=None if times is None or times.is_even else times)

    @property
    def fps(self) -> Fraction | None:
        times = self._times()
        return times.fps if times is not None and times.is_even else self.format.fps

    def _times(self) -> Timestamps | None:
        return None if self._rate_is_given else self._reader.said(self._seek, self._taken).timestamps

    def __iter__(self) -> Iterator[Planes]:
        assert not self._started, "a VideoSource can be gone through once"
        self._started = True
        try:
            for planes in islice(self._reader.pictures(self._seek), self._frames):
                self._taken += 1
                yield planes
        except OSError as error:
            raise InputError(f"cannot read on in {self._name}: {error.strerror}", "Is the disk still there?") from error
        if self._taken < (self._frames or 1):
            self._check_end(self._reader.frame_count or 0)
        self.frame_count = self._taken

    def close(self) -> None:
        self._reader.close()

    def _check_end(self, total: int) -> None:
        wanted = self._seek + (self._frames or 1)
        if wanted > total:
            asked = f"frames {self._seek} to {wanted - 1} were" if self._frames else f"frame {self._seek} was"
            raise too_far(self._name, total, asked)


def open_source(
    path: str | Path | ArrayReader,
    *,
    size: tuple[int, int] | None = None,
    fps: Fraction | None = None,
    pix_fmt: str | None = None,
    seek: int = 0,
    frames: int | None = None,
    video_stream: int | None = None,
    allow_truncated: bool = False,
    conversion: Conversion = AS_IT_IS,
    assume_rate: bool = False,
) -> VideoSource:
    """Open a video: Y4M by its first bytes, a folder of PNG, JPEG or TIFF pictures, raw .yuv, else what FFmpeg reads.

    What FFmpeg cannot read is raw video where a size is given.

    Args:
        path: File or folder, or ``-`` for Y4M on standard input, or pictures in memory.
        size: (width, height) of raw video in luma samples; None takes it from the file name.
        fps: Frames per second; wins over what the file says.
        pix_fmt: One of ``PIXEL_FORMATS``, for raw video; None takes it from the file name, else 4:2:0, in
            as many bits as the samples have.
        seek: Number of the first frame to take, from 0; of those that there are at the rate of ``conversion``.
        frames: How many frames to take; None takes all to the end.
        video_stream: Which video stream of a file, from 0, still cover pictures not counted; None: the one that FFmpeg
            takes for the best. Files of one video have number 0 only.
        allow_truncated: Take the frames in front of where a file is damaged or cut off, and say so in a notice.
        conversion: What is done to the pictures; where it names a pixel format, ``pix_fmt`` need not be that of a file.
        assume_rate: Where a folder of pictures says no rate, as they do, take 25 and say so in a notice.

    Raises:
        InputError: The video is missing, damaged, not supported, or shorter than the frames asked for.
        UsageError: An option makes no sense or contradicts the file.
    """
    _check_arguments(fps, pix_fmt, seek, frames)
    name = "standard input" if str(path) == "-" else str(path)
    try:
        raw = _Raw(size, fps, pix_fmt, None if frames is None else seek + frames, allow_truncated)
        reader = _open_reader(path, name, raw, video_stream)
    except OSError as error:
        raise _unreadable(error, name) from error
    try:
        if video_stream and not reader.choosable:
            raise no_stream(name, video_stream, ["the only one"])
        check_options(reader.format, name, size, None if conversion.pix_fmt else pix_fmt)
        asked, conversion = conversion, conversion.of(reader.format)
        if conversion.pix_fmt != asked.pix_fmt:
            reader.notices.append(
                only_drawn(f"{reader.format.bit_depth}-bit {reader.format.chroma}", conversion.pix_fmt)
            )
        rate_is = "from the options"
        if assume_rate and fps is None and conversion.fps is None and _is_folder(path):
            fps, rate_is = _ASSUMED_RATE, "assumed"
            reader.notices.append(f"pictures say no frame rate: {fps} fps are assumed; give it with -r")
        if conversion == AS_IT_IS:
            return _FrameRange(reader, name, fps, seek, frames, rate_is)
        converted = ConvertedReader(reader, conversion, fps, name)
        return _FrameRange(converted, name, None, seek, frames)
    except BaseException:
        reader.close()
        raise


def _is_folder(path: str | Path | ArrayReader) -> bool:
    return not isinstance(path, ArrayReader) and os.path.isdir(path)


def _unreadable(error: OSError, name: str) -> InputError:
    """What to say of a video, or of the file of it that the system could not open."""
    file = str(error.filename or name)
    if os.path.islink(file) and not os.path.exists(file):
        return InputError(f"{file} is a link to nothing", f"It leads to {quoted(os.readlink(file))}")
    return InputError(f"cannot read {file}: {error.strerror}", "Check the path and its permissions.")


def _check_arguments(fps: Fraction | None, pix_fmt: str | None, seek: int, frames: int | None) -> None:
    if pix_fmt is not None and pix_fmt not in PIXEL_FORMATS:
        raise UsageError(f"pixel format {pix_fmt} is not supported", f"Choose one of {', '.join(PIXEL_FORMATS)}.")
    if fps is not None and fps <= 0:
        raise UsageError(f"a frame rate of {fps} is impossible", "Give frames per second, as in 30 or 30000/1001.")
    if seek < 0:
        raise UsageError(f"cannot start at frame {seek}", "Frames count from 0.")
    if frames is not None and frames < 1:
        raise UsageError(f"cannot take {frames} frames", "Take at least one, or leave the option out for all.")


class _Raw(NamedTuple):
    """What is known of a video that has no header; see :class:`YuvReader`."""

    size: tuple[int, int] | None
    fps: Fraction | None
    pix_fmt: str | None
    end: int | None
    allow_truncated: bool


def _open_reader(path: str | Path | ArrayReader, name: str, raw: _Raw, video_stream: int | None) -> Reader:
    if isinstance(path, ArrayReader):
        return path
    if str(path) == "-":
        if is_terminal(sys.stdin):
            raise InputError("standard input is a terminal", "Pipe Y4M in:  ffmpeg -i clip.mp4 -f yuv4mpegpipe - | nvc")
        return _y4m_reader(standard_input(), name, raw.allow_truncated)
    path = Path(path)
    mode = path.stat().st_mode
    if not stat.S_ISDIR(mode):
        stream = path.open("rb")
        # A named pipe cannot be read twice: like standard input, it carries Y4M.
        if not stat.S_ISREG(mode) or stream.peek(len(MAGIC)).startswith(MAGIC):
            return _y4m_reader(stream, name, raw.allow_truncated)
        stream.close()
        if path.suffix.lower() in _RAW_SUFFIXES:
            return YuvReader(path, *raw)
    try:
        from nvcodec.io import pyav, stills
    except ModuleNotFoundError as error:
        raise InputError(
            f"{name} can only be read with PyAV, which is not installed",
            f"pip install av   (or convert:  ffmpeg -i {quoted(name)} clip.y4m)",
        ) from error
    if path.is_dir() or path.suffix.lower() in stills.SUFFIXES:
        return stills.open_stills(path)
    try:
        return pyav.PyavReader(path, video_stream, raw.allow_truncated)
    except InputError:
        if raw.size is None or path.suffix.lower() in VIDEO_SUFFIXES:
            raise
        return YuvReader(path, *raw)  # of a name that says nothing, and a size that only raw video is given


def _y4m_reader(stream: BinaryIO, name: str, allow_truncated: bool) -> Y4mReader:
    try:
        return Y4mReader(stream, name, allow_truncated)
    except BaseException:
        stream.close()
        raise
