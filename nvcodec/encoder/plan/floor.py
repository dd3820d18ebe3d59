"""What a size must have room for: one that can hold no picture is refused before anything is fitted. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, log10

from nvcodec.config.target import RateTarget, TargetKind
from nvcodec.encoder.plan.plan import Plan, network_of
from nvcodec.errors import UsageError
from nvcodec.io.saying import plural
from nvcodec.models.config import FieldConfig
from nvcodec.types import VideoFormat

_LEAST_BITS = 1.3
"""Of each parameter of the smallest network. With 1.2, akiyo, foreman and carphone are one colour (MS-SSIM of 0.29,
0.23 and 0.15), with 1.8 to 2.0 there are shapes (0.56, 0.47, 0.39)."""
_SHOWS = 3.0
"""In units of the least: with 3.8 bits of each parameter akiyo is a person (0.75)."""
_USUAL_BPP = (0.004, 8.0)
"""Bits per pixel that somebody may have meant."""
_ODD_BPP = 5e-4
"""Below, hardly anybody means it."""
_UNITS = {
    TargetKind.SIZE: (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)),
    TargetKind.BITRATE: (("G", 1e9), ("M", 1e6), ("k", 1e3)),
    TargetKind.BPP: (),
}
_FLAGS = {TargetKind.SIZE: "--target-size", TargetKind.BITRATE: "--bitrate", TargetKind.BPP: "--bpp"}


def least_bytes(plan: Plan, videos: Sequence[tuple[VideoFormat, int]], flat: Sequence[bool]) -> int:
    """Bytes without which a new file shows nothing: those of the smallest networks there are.

    Of a model with key frames, which show something without a network, nobody knows before they are coded: 0.

    Args:
        plan: What is fitted.
        videos: Format and frames of each.
        flat: Which of them have one colour, which takes no network.
    """
    if plan.model.settings.keyed:
        return 0
    format, _ = videos[0]
    longest = max(plan.spans, key=lambda span: span.frames)
    smallest = network_of(plan.preset, plan.geometry(longest, format), 1, plan.settings, pinned=False)
    assert isinstance(smallest, FieldConfig)
    sizes = {
        span.frames: sum(s.size for s in smallest.tensor_specs(plan.geometry(span, format))) for span in plan.spans
    }
    return sum(int(_LEAST_BITS * sizes[span.frames]) // 8 for span in plan.spans if not flat[span.stream])


def check_room(target: RateTarget, least: int, videos: Sequence[tuple[VideoFormat, int]]) -> str | None:
    """Refuse a size that has no room for a picture, and say what was probably meant.

    Args:
        target: What is asked for.
        least: Bytes that a picture takes.
        videos: Format and frames of each.

    Returns:
        What there is to say of a size that has room, but for hardly more than shapes, or where another unit makes a
        usual one.

    Raises:
        UsageError: It is smaller.
    """
    limit = target.files_bytes(videos)
    if limit is None:
        return None
    flag, pixels = _FLAGS[target.kind], _pixels(videos)
    meant = " or ".join(f"{flag} {_written(value, target.kind)}" for value in _meant(target, least, videos))
    per_unit = (RateTarget(target.kind, 1e9).files_bytes(videos) or 1) / 1e9
    bpp, shows = 8 * limit / pixels, limit >= _SHOWS * least
    if shows and not (meant and bpp < _ODD_BPP):
        return None
    enough = "" if shows else f"{flag} {_written(_rounded_up(_SHOWS * least / per_unit), target.kind)}"
    if limit >= least:
        question = f"did you mean {meant}? " if meant else ""
        question += "" if shows else f"Enough to see something: {enough}"
        return f"{flag} {target.value:g} is {bpp:.2g} bits per pixel, which is hardly a picture; {question.rstrip()}"
    hints = [f"Did you mean {meant}?"] if meant else []
    hints.append(f"Enough to see something:  {enough}")
    raise UsageError(
        f"{flag} {target.value:g} leaves {plural(limit, 'byte')}; no picture fits into less than {least:,}",
        "\n".join(hints),
    )


def _meant(target: RateTarget, least: int, videos: Sequence[tuple[VideoFormat, int]]) -> Iterator[float]:
    """The value with other units, where that is what somebody asks for."""
    for _, factor in _UNITS[target.kind]:
        size = RateTarget(target.kind, target.value * factor).files_bytes(videos) or 0
        if size >= least and _USUAL_BPP[0] <= 8 * size / _pixels(videos) <= _USUAL_BPP[1]:
            yield target.value * factor


def _pixels(videos: Sequence[tuple[VideoFormat, int]]) -> int:
    return sum(video.width * video.height * frames for video, frames in videos)


def _written(value: float, kind: TargetKind) -> str:
    """A value as an option takes it."""
    for unit, factor in _UNITS[kind]:
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def _rounded_up(value: float) -> float:
    """Two digits of a value, and no less than it."""
    digit = 10.0 ** (floor(log10(value)) - 1)
    return ceil(value / digit) * digit
