"""When the frames of a file are on screen, in what its container counts; refused where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from nvcodec.errors import UsageError
from nvcodec.types import Timestamps

_MOST = (1 << 31) - 1
"""FFmpeg's and MP4's numbers are no larger."""
_MILLISECOND = Fraction(1, 1000)
_MP4_LEAST = 10_000
"""Ticks of a second in an MP4 file that FFmpeg writes, at least: fewer are doubled until they are as many."""
_MP4_AHEAD = 8
"""Frames, at most and one or two more, by which H.264 frames are decoded before they are shown; MP4 counts them so."""


@dataclass(frozen=True)
class Ticks:
    """A time base, and the frames in it."""

    time_base: Fraction
    """Seconds of a tick."""
    timestamps: Timestamps | None
    """None: a tick for each frame."""

    def start(self, frame: int) -> int:
        """When a frame appears."""
        return frame if self.timestamps is None else self.timestamps.starts[frame]

    def length(self, frame: int) -> int:
        """How long it is on screen."""
        return 1 if self.timestamps is None else self.timestamps.ticks[frame]


def ticks_for(name: str, fps: Fraction, timestamps: Timestamps | None) -> Ticks:
    """The ticks of a file, which is .mkv, .webm, .mp4 or .gif.

    Args:
        name: Of the file.
        fps: Frames per second.
        timestamps: Of a video of variable rate; win over ``fps``.

    Raises:
        UsageError: Frames would share a time, or be on screen longer than can be said.
    """
    base = timestamps.time_base if timestamps else 1 / fps
    shortest, longest = (min(timestamps.ticks), max(timestamps.ticks)) if timestamps else (1, 1)
    remedy = "Write .y4m, or give another frame rate with -r." if timestamps is None else "Give a frame rate with -r."
    if name.lower().endswith((".mkv", ".webm")) and shortest * base < _MILLISECOND:
        raise UsageError(
            f"{name}: Matroska counts milliseconds, and frames would be on screen for {float(shortest * base):.3g} s",
            f"Write .mp4 instead. Or: {remedy[0].lower()}{remedy[1:]}",
        )
    span = longest * base.numerator
    if name.lower().endswith(".mp4"):
        each = base.denominator
        while each < _MP4_LEAST:
            each *= 2
        span *= each // base.denominator * _MP4_AHEAD
    if max(base.numerator, base.denominator, span) > _MOST:
        raise UsageError(f"{name} cannot count frames of {float(longest * base):.3g} s", remedy)
    return Ticks(base, timestamps)
