"""What is done to pictures between a file and the encoder: cut, made smaller or larger, at another rate, other planes.

In this order: fields become whole pictures, frames are chosen, cropped, scaled, and then become the planes and the
depth asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol, final

from nvcodec.color import converted, yuv_format
from nvcodec.errors import UsageError
from nvcodec.io.geometry import PIXEL_FORMATS, checked_size, describe
from nvcodec.io.side_data import Clock, aspect_of
from nvcodec.types import ChromaFormat, Planes, SideData, VideoFormat

_SQUARE_ENOUGH = Fraction(1, 50)
"""What rounding to whole samples may do to the shape of a picture; more is told to players as the shape of samples."""


@dataclass(frozen=True)
class Crop:
    """The part of every picture that is kept."""

    width: int
    """Luma samples."""
    height: int
    x: int | None = None
    """Luma samples left of it; None: as many as right of it."""
    y: int | None = None
    """Luma rows above it; likewise."""

    def __str__(self) -> str:
        place = "" if self.x is None else f":{self.x}:{self.y}"
        return f"{self.width}:{self.height}{place}"

    def placed(self, video: VideoFormat, name: str) -> Crop:
        """Where it lies in pictures of a video: on whole chroma samples, as FFmpeg places it too.

        Raises:
            UsageError: It does not lie in them.
        """
        rows, columns = video.chroma.cell
        x = (video.width - self.width) // 2 if self.x is None else self.x
        y = (video.height - self.height) // 2 if self.y is None else self.y
        if x < 0 or y < 0 or x + self.width > video.width or y + self.height > video.height:
            raise UsageError(
                f"--crop {self} does not lie in pictures of {video.width}x{video.height} ({name})",
                "Write it as WIDTH:HEIGHT:X:Y, X and Y from the upper left corner, or WIDTH:HEIGHT for the middle",
            )
        return Crop(self.width, self.height, x - x % columns, y - y % rows)


@dataclass(frozen=True)
class Conversion:
    """What is asked for; ``None``: that stays as it is."""

    crop: Crop | None = None
    scale: Fraction | tuple[int, int] | None = None
    """Share of width and height, or (width, height) in luma samples; behind the crop."""
    fps: Fraction | None = None
    """Frames per second: others are left out, or shown again. Of a video that says no rate, this is its rate."""
    pix_fmt: str | None = None
    """One of :data:`PIXEL_FORMATS`."""
    deinterlace: bool = False
    """Whether lines of two times become pictures of one, as many."""
    drawn: tuple[tuple[ChromaFormat, int], ...] = ()
    """Planes and bits that can be drawn at all; others become 4:2:0 where no pixel format is asked for. Empty: any."""

    def of(self, video: VideoFormat) -> Conversion:
        """What that is of a video, without a word of what can be drawn."""
        pix_fmt = self.pix_fmt
        if pix_fmt is None and self.drawn and (video.chroma, video.bit_depth) not in self.drawn:
            pix_fmt = "yuv420p" if video.bit_depth == 8 else "yuv420p10le"
        return replace(self, pix_fmt=pix_fmt, drawn=())

    def size(self, video: VideoFormat, name: str) -> tuple[int, int]:
        """(width, height) of scaled pictures of a video; of halved chroma, shares come to even sizes.

        Raises:
            InputError: No picture has that size.
        """
        if self.scale is None:
            return video.width, video.height
        if isinstance(self.scale, tuple):
            return checked_size(*self.scale, name)
        rows, columns = video.chroma.cell
        width, height = (
            max(cell, round(side * self.scale / cell) * cell)
            for side, cell in ((video.width, columns), (video.height, rows))
        )
        return checked_size(width, height, name)


AS_IT_IS = Conversion()


class Reader(Protocol):
    """One kind of video file, whole."""

    format: VideoFormat
    frame_count: int | None
    origin: str
    notices: list[str]
    choosable: bool
    """Whether a file of this kind may hold several videos, of which one was chosen."""

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield the pictures from number ``first`` on."""

    def said(self, first: int, count: int, /) -> SideData:
        """What the file says of ``count`` pictures from number ``first`` on, besides them."""

    def close(self) -> None:
        """Let go of the file."""


@final
class ConvertedReader:
    """Another reader's pictures, converted; frames count as they come out.

    Args:
        reader: Closed with this one.
        asked: What to do.
        rate: What the frame rate is, whatever the file says; None: as it says.
        name: What messages call the file.

    Raises:
        UsageError: The crop does not lie in the pictures.
        InputError: The size is none of a picture.
        UnsupportedError: RGB is to become YUV, and its matrix is not known.
    """

    def __init__(self, reader: Reader, asked: Conversion, rate: Fraction | None, name: str) -> None:
        self._reader, self._rate = reader, rate
        self.choosable, self.notices = reader.choosable, reader.notices
        given = reader.format if rate is None else replace(reader.format, fps=rate)
        self._given, self._steps = given, list[str]()
        self._aspect = Fraction(1)
        done, video = [], given
        self._resampled = asked.fps is not None and given.fps is not None
        if asked.deinterlace:
            first = "bff" if getattr(reader, "bottom_first", False) else "tff"
            self._steps.append(f"bwdif=mode=send_frame:parity={first}:deint=all")
            done.append("deinterlaced")
        self._from_start = self._resampled or asked.deinterlace  # what comes out hangs on what came before
        if asked.fps is not None:
            video = replace(video, fps=asked.fps)
            if self._resampled:
                self._steps.append(f"fps={asked.fps}")
            if asked.fps != given.fps:
                done.append(f"{asked.fps} fps" + (f" instead of {given.fps}" if given.fps else " from the options"))
        if asked.crop is not None:
            crop = asked.crop.placed(video, name)
            video = replace(video, width=crop.width, height=crop.height)
            self._steps.append(f"crop={crop}:exact=1")
            done.append(f"cropped to {crop.width}x{crop.height}+{crop.x}+{crop.y}")
        width, height = asked.size(video, name)
        if (width, height) != (video.width, video.height):
            shape = Fraction(video.width * height, video.height * width)
            self._aspect = Fraction(1) if abs(shape - 1) < _SQUARE_ENOUGH else shape
            video = replace(video, width=width, height=height)
            self._steps.append(scaling(width, height))
            done.append(f"scaled to {width}x{height}")
        self._filtered, self.format = video, _as_asked(video, asked.pix_fmt)
        if (self.format.chroma, self.format.bit_depth) != (video.chroma, video.bit_depth):
            done.append(f"converted to {asked.pix_fmt}")
        self.frame_count = None if self._resampled else reader.frame_count
        becomes = "" if replace(self.format, fps=given.fps) == given else f": {describe(self.format)}"
        self.origin = reader.origin + (f"; {', '.join(done)}{becomes}" if done else "")

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield the pictures from number ``first`` on; errors as the reader's."""
        index = 0 if self._from_start else first
        for planes in self._through_filters(index):
            if index >= first:
                yield converted(planes, self._filtered, self.format)
            index += 1
        self.frame_count = index if self._resampled else self._reader.frame_count

    def said(self, first: int, count: int) -> SideData:
        """Side data of some of the pictures."""
        side = self._reader.said(0 if self._resampled else first, 1 if self._resampled else count)
        times = None if self._resampled or self._rate is not None else side.timestamps
        location = side.chroma_location if self.format.chroma is ChromaFormat.YUV420 else None
        aspect = aspect_of((side.aspect or Fraction(1)) * self._aspect)
        return replace(side, aspect=aspect, timestamps=times, chroma_location=location)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def _through_filters(self, first: int) -> Iterator[Planes]:
        pictures = self._reader.pictures(first)
        if not self._steps:
            yield from pictures
            return
        from nvcodec.io.filtering import Filter

        clock = getattr(self._reader, "clock", None) if self._rate is None else None
        time_base = 1 / self._given.fps if self._given.fps else Fraction(1)
        filter = Filter(self._given, self._filtered, self._steps, clock.time_base if clock else time_base)
        for index, planes in enumerate(pictures):
            start, ticks = (index, 1) if clock is None else _time_of(clock, index, time_base)
            yield from filter.push(planes, start, ticks)
        yield from filter.finish()


def _time_of(clock: Clock, index: int, period: Fraction) -> tuple[int, int]:
    """Tick at which the picture read last appears, the first one at 0, and how many it is on screen.

    Args:
        clock: Of a file that may not say the times of all of its pictures.
        index: Number of the picture.
        period: Seconds between pictures where that is so.
    """
    ticks = max(1, round(period / clock.time_base))
    if not clock.is_sound:
        return round(index * period / clock.time_base), ticks
    return clock.starts[-1] - clock.starts[0], clock.last_ticks or ticks


def _as_asked(video: VideoFormat, pix_fmt: str | None) -> VideoFormat:
    """A format with the planes and the depth of a pixel format."""
    if pix_fmt is None:
        return video
    chroma, bit_depth = PIXEL_FORMATS[pix_fmt]
    yuv = yuv_format(video) if video.chroma is ChromaFormat.RGB else video
    return replace(yuv, chroma=chroma, bit_depth=bit_depth)


def scaling(width: int, height: int) -> str:
    """The step that makes pictures so large; it gives the same samples on every machine."""
    return f"scale={width}:{height}:flags=bicubic+accurate_rnd+full_chroma_int+bitexact"
