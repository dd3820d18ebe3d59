"""What becomes of decoded pictures where they are written: their format and their side data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from nvcodec.color import yuv_format
from nvcodec.config.options import DecodeOptions
from nvcodec.errors import UsageError
from nvcodec.io.geometry import PIXEL_FORMATS
from nvcodec.io.sink import says_timestamps
from nvcodec.types import ChromaFormat, SideData, Time, VideoFormat


def as_asked(drawn: VideoFormat, pix_fmt: str | None) -> VideoFormat:
    """The format of what is written: that of what is drawn, but for planes and depth where these are asked for.

    RGB stays what it is, but for its depth, where 4:2:0 is asked for: the kind of file decides whether it is converted.

    Raises:
        UnsupportedError: RGB is to become YUV, and its matrix is not known.
    """
    if pix_fmt is None:
        return drawn
    chroma, bit_depth = PIXEL_FORMATS[pix_fmt]
    if drawn.chroma is not ChromaFormat.RGB:
        return replace(drawn, chroma=chroma, bit_depth=bit_depth)
    if chroma is ChromaFormat.YUV420:
        return replace(drawn, bit_depth=bit_depth)
    return replace(yuv_format(drawn), chroma=chroma, bit_depth=bit_depth)


def timed(
    video: VideoFormat, side: SideData, times: Sequence[Time], asked: DecodeOptions, output: str | Path | None
) -> tuple[VideoFormat, SideData, str | None]:
    """Format and side data of what is written, and what is to be said of them, if anything.

    Raises:
        UsageError: Sound is wanted that would not belong to the pictures.
    """
    if asked.audio_from is not None:
        if output is None:
            raise UsageError("--audio-from copies sound to an output, and there is none", "Name it with -o")
        if asked.step > 1 or asked.rate is not None:
            option = "--step" if asked.step > 1 else "--rate"
            raise UsageError(
                f"{option} changes how long pictures take, --audio-from needs them as they were", "Choose one"
            )
    if asked.rate is not None:
        return replace(video, fps=asked.rate), replace(side, timestamps=None), None
    if side.timestamps is None:
        return replace(video, fps=video.fps and video.fps * asked.interpolate), side, None
    timestamps = side.timestamps.of(times)
    if output is None or says_timestamps(output):
        return replace(video, fps=video.fps or timestamps.fps), replace(side, timestamps=timestamps), None
    mean = timestamps.fps.limit_denominator(1001) or timestamps.fps
    notice = f"frames are of uneven length, which this output cannot say: written at their mean rate, {mean} fps"
    is_timed = str(output) == "-" or Path(output).suffix.lower() == ".y4m"
    return replace(video, fps=mean), replace(side, timestamps=None), notice if is_timed else None


def seconds_of(video: VideoFormat, side: SideData, frame: Time) -> Fraction:
    """When a frame appears, or a time between two."""
    if side.timestamps is not None:
        return side.timestamps.start(frame)
    return Fraction(frame) / video.fps if video.fps else Fraction(0)
