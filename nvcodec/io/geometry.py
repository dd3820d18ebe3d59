"""Size, depth and frame rate of raw video, which has no header: from options, else from the file name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from nvcodec.errors import InputError, UsageError, quoted
from nvcodec.types import ChromaFormat, VideoFormat

PIXEL_FORMATS = {
    f"{name}{deep}": (chroma, depth)
    for name, chroma in (
        ("yuv420p", ChromaFormat.YUV420),
        ("yuv422p", ChromaFormat.YUV422),
        ("yuv444p", ChromaFormat.YUV444),
        ("gray", ChromaFormat.GREY),
    )
    for depth, deep in ((8, ""), (10, "10le"), (12, "12le"))
}
"""Pixel formats of raw video (FFmpeg's names): their chroma format and bits per sample."""

MAX_SIDE = 16_384
"""Largest width or height read, in samples: bounds what one picture can make us allocate."""

COMMON_SIZES = {
    "sqcif": (128, 96),
    "qcif": (176, 144),
    "cif": (352, 288),
    "4cif": (704, 576),
    "wqvga": (416, 240),
    "wvga": (832, 480),
    "vga": (640, 480),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "2160p": (3840, 2160),
    "4320p": (7680, 4320),
}
"""Names of picture sizes: (width, height)."""

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})(?:p(\d+(?:\.\d+)?)?)?")
_LINES = re.compile(r"(720|1080|2160|4320)p(\d+(?:\.\d+)?)?")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:fps|hz|p)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DEPTH = re.compile(r"(\d{1,2})b(?:its?)?")
_SAMPLING = re.compile(r"(?:yuv)?(400|420|422|444)(?:p(?:(9|1\d)(?:le|b|bits?)?)?)?")
_GREY = re.compile(r"gr[ae]y(?:(9|1\d)(?:le)?)?")
_SAMPLED = {None: "yuv420p", 400: "gray", 420: "yuv420p", 422: "yuv422p", 444: "yuv444p"}
"""Sampling that a file name says -> pixel format of 8 bits."""
_MAX_FPS = 1000


@dataclass(frozen=True)
class NamedGeometry:
    """What a file name says; None where it says nothing."""

    size: tuple[int, int] | None = None
    """(width, height) in luma samples."""
    fps: Fraction | None = None
    """Frames per second."""
    bit_depth: int | None = None
    """Bits per sample, possibly one that is not supported."""
    sampling: int | None = None
    """Chroma sampling: 400, 420, 422 or 444."""


def parse_name(name: str) -> NamedGeometry:
    """Read the geometry from a file name; never fails.

    Understands the ways the test clips of the field are named: ``Beauty_1920x1080_120fps_420_8bit_YUV.yuv`` (UVG),
    ``BasketballPass_416x240_50.yuv`` (JVET), ``D-name_1280x720_60p_yuv420p10b.yuv`` (Cool-Chic), ``foreman_cif.yuv``
    and ``crowd_run_1080p50.yuv`` (xiph). A bare number is a rate only after the size, and a depth only after that.
    """
    stem = re.sub(r"(\d)[-_ ]bit", r"\1bit", Path(name).stem.lower())
    stem = re.sub(r"(\dx\d+)\.", r"\1_", stem)
    sizes: list[tuple[int, int]] = []
    fps: Fraction | None = None
    bit_depth: int | None = None
    sampling: int | None = None
    rate_was_bare = False
    # A full stop separates words unless it is a decimal point.
    for word in re.split(r"[^0-9a-z.]+|\.(?!\d)|(?<!\d)\.", stem):
        bare_depth_may_follow, rate_was_bare = rate_was_bare, False
        if match := _SIZE.fullmatch(word):
            sizes.append((int(match[1]), int(match[2])))
            fps = _rate(match[3]) or fps
        elif match := _LINES.fullmatch(word):
            sizes.append(COMMON_SIZES[f"{match[1]}p"])
            fps = _rate(match[2]) or fps
        elif word in COMMON_SIZES:
            sizes.append(COMMON_SIZES[word])
        elif match := _RATE.fullmatch(word):
            fps = _rate(match[1]) or fps
        elif match := _DEPTH.fullmatch(word):
            bit_depth = int(match[1])
        elif match := _SAMPLING.fullmatch(word):
            sampling = int(match[1])
            bit_depth = int(match[2]) if match[2] else bit_depth
        elif match := _GREY.fullmatch(word):
            sampling, bit_depth = 400, int(match[1]) if match[1] else bit_depth
        elif bare_depth_may_follow and word in ("8", "10", "12"):
            bit_depth = int(word)
        elif sizes and fps is None and _NUMBER.fullmatch(word):
            fps = _rate(word)
            rate_was_bare = fps is not None
    return NamedGeometry(sizes[0] if len(set(sizes)) == 1 else None, fps, bit_depth, sampling)


def _rate(text: str | None) -> Fraction | None:
    """Frame rate of a decimal; None when not a credible rate."""
    if not text or not 0 < (rate := Fraction(text)) <= _MAX_FPS:
        return None
    return ntsc(rate)


def ntsc(rate: Fraction) -> Fraction:
    """The rate that a decimal stands for: 23.976, 29.97 and the like are n * 1000/1001, as far as their digits go."""
    decimals = next((places for places in range(7) if (rate * 10**places).denominator == 1), 0)
    exact = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return exact if decimals and abs(exact - rate) <= Fraction(1, 2 * 10 ** max(decimals, 2)) else rate


def raw_format(
    path: Path, size: tuple[int, int] | None, fps: Fraction | None, pix_fmt: str | None, seen: int | None = None
) -> tuple[VideoFormat, str]:
    """Settle the format of a raw video: options first, then the file name, then what its samples say, then 8 bit.

    Args:
        path: The file.
        size: (width, height) that was asked for.
        fps: Likewise.
        pix_fmt: Likewise.
        seen: Bits of the samples as :func:`nvcodec.io.raw_depth.depth_seen` found them; None where they may be 8.

    Returns:
        The format, and a sentence that says what was inferred and from where.

    Raises:
        InputError: Nothing says the size, or the name says a depth that is not supported.
    """
    named = parse_name(path.name)
    chosen_size = size or named.size
    if chosen_size is None:
        raise InputError(
            f"cannot tell the picture size of {path}",
            "Raw YUV has no header. Give it:  -s 1920x1080 -r 30 --pix-fmt yuv420p\n"
            f"(or name the file {quoted(f'{path.stem}_1920x1080_30fps_8bit_420.yuv')}, or convert:  "
            f"ffmpeg -s 1920x1080 -r 30 -i {quoted(path)} {quoted(f'{path.stem}.y4m')})",
        )
    if pix_fmt is None and named.bit_depth not in (None, 8, 10, 12):
        raise InputError(
            f"the name of {path} says {named.bit_depth} bits; only 8, 10 and 12-bit video can be read",
            "Convert it to yuv420p10le with ffmpeg, or say --pix-fmt yuv420p if the name is wrong.",
        )
    chroma, asked = PIXEL_FORMATS[pix_fmt or _SAMPLED[named.sampling]]
    said = asked if pix_fmt else named.bit_depth
    depth = said or seen or 8
    width, height = checked_size(*chosen_size, str(path))
    format = VideoFormat(width, height, fps or named.fps, depth, chroma)

    said_by = {"size": "from the options" if size else "from the file name"}
    said_by["depth"] = "from the options" if pix_fmt else "from the file name" if named.bit_depth else "assumed"
    if said is None and seen:
        said_by["depth"] = "from the samples"
    if format.fps:
        said_by["fps"] = "from the options" if fps else "from the file name"
    if len(set(said_by.values())) == 1:
        reason = said_by["size"]
    else:
        reason = ", ".join(f"{what} {whence}" for what, whence in said_by.items())
    origin = f"geometry {describe(format)} ({reason})"
    if seen and depth == 8:
        fitting = pixel_format_of(replace(format, bit_depth=seen))
        origin = f"{origin}; every second byte is small, as in video of {seen} bits: if it is, say --pix-fmt {fitting}"
    return format, origin


def checked_size(width: int, height: int, name: str) -> tuple[int, int]:
    """Return the size if it can be that of a picture.

    Raises:
        InputError: A side is not in 1..``MAX_SIDE``.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise InputError(f"{name}: a picture of {width}x{height} is impossible", f"Sides are 1 to {MAX_SIDE} samples.")
    return width, height


def check_options(format: VideoFormat, name: str, size: tuple[int, int] | None, pix_fmt: str | None) -> None:
    """Refuse options that contradict a file which says its geometry itself.

    Raises:
        UsageError: ``size`` or ``pix_fmt`` is given and is not what the file says.
    """
    hint = "Leave the option out: only raw .yuv needs it."
    if size and size != (format.width, format.height):
        raise UsageError(f"size {size[0]}x{size[1]} was given, but {name} says {format.width}x{format.height}", hint)
    if pix_fmt and PIXEL_FORMATS[pix_fmt] != (format.chroma, format.bit_depth):
        raise UsageError(f"pixel format {pix_fmt} was given, but {name} is {describe(format)}", hint)


def describe(format: VideoFormat) -> str:
    """Size, depth and rate in a few words, as in ``1920x1080 8-bit 120 fps``; planes other than 4:2:0 are named."""
    planes = "" if format.chroma is ChromaFormat.YUV420 else f" {format.chroma}"
    rate = f" {format.fps} fps" if format.fps else ""
    return f"{format.width}x{format.height} {format.bit_depth}-bit{planes}{rate}"


def pixel_format_of(format: VideoFormat) -> str:
    """The pixel format of :data:`PIXEL_FORMATS` that YUV pictures have in raw video."""
    return next(name for name, kind in PIXEL_FORMATS.items() if kind == (format.chroma, format.bit_depth))
