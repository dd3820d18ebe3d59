"""What is told of an input, in one line each: what is not kept of it, what was chosen, where it was cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from nvcodec.errors import InputError, UsageError

INTERLACED = "interlaced; coded with two fields in each picture, unless --deinterlace makes whole ones of them"
ASKEW = "to be shown turned by no right angle; coded as it is stored"
ALPHA = "its transparency is not coded"


def nearest_taken(pixel_format: str, taken: str) -> str:
    """That pictures are of a kind that cannot be coded, and what becomes of them."""
    return f"its pixel format {pixel_format} becomes {taken}, the nearest that can be coded"


def only_drawn(kind: str, taken: str | None) -> str:
    """That a model draws no pictures of a kind, and what becomes of them."""
    return f"{kind}, which this model does not draw: converted to {taken}"


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


def too_far(name: str, total: int, asked: str, options: str = "--seek or --frames") -> InputError:
    """That a video ends before what was asked for, as in ``frame 9 was``."""
    return InputError(
        f"{name} holds {plural(total, 'frame')}, but {asked} asked for", f"Frames count from 0. Lower {options}."
    )


def no_stream(name: str, stream: int, streams: Sequence[str]) -> UsageError:
    """That a file has no such video stream."""
    listed = ", ".join(f"{number} ({each})" for number, each in enumerate(streams))
    return UsageError(f"{name} has no video stream {stream}", f"Video streams count from 0: {listed}")
