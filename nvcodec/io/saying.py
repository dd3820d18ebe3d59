"""What is told of an input, in one line each: what is not kept of it, what was chosen, where it was cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from nvcodec.errors import UsageError

INTERLACED = "interlaced; coded as it is, with two fields in each picture (ffmpeg -vf bwdif would take them apart)"
ALPHA = "its transparency is not coded"


def only_before(problem: str, frames: int) -> str:
    """That a file is damaged or ends early, and what is taken of it."""
    return f"{problem}; {plural(frames, 'frame')} before that {'is' if frames == 1 else 'are'} taken"


def other_rate(shown: Fraction | None, said: Fraction | None) -> str:
    """That frames appear at another rate than a file says."""
    return f"its frames appear at {shown} fps, and it says {said or 'no rate'}: the former is taken"


def plural(count: int, noun: str) -> str:
    """``1 frame``, ``8 frames``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """``59 s``, ``4 min 12 s``, ``1 h 2 min``: how all that is said writes a time that something takes or took."""
    if round(seconds) < 60:
        return f"{max(1, round(seconds))} s"
    if round(seconds / 60) < 60:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def about(seconds: float) -> str:
    """A forecast, no more exact than it can be: ``8 s``, ``2 min``, ``2 h 10 min``."""
    for unit, most in ((1, 60), (5, 90), (30, 300), (60, 5400), (600, math.inf)):
        if round(seconds / unit) * unit < most:
            return duration(round(seconds / unit) * unit)
    raise AssertionError


def no_stream(name: str, stream: int, streams: Sequence[str]) -> UsageError:
    """That a file has no such video stream."""
    listed = ", ".join(f"{number} ({each})" for number, each in enumerate(streams))
    return UsageError(f"{name} has no video stream {stream}", f"Video streams count from 0: {listed}")
