"""What FFmpeg's libraries say of a video besides its pictures: the bytes of their structures, and times of frames."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

from nvcodec.types import ContentLight, MasteringDisplay, Timestamps

_MOST = (1 << 32) - 1
_POINT, _CANDELA = 50_000, 10_000
_ROUNDING = Fraction(1, 500)
"""Seconds of a tick of containers that count all times in the same, at most."""
_SITING = {(2, 2): 1, (1, 1): 2, (2, 1): 3}
"""Matroska's ChromaSitingHorz and -Vert -> chroma sample location type of ITU-T H.273; (1, 2) is type 0."""
_BOTTOM_FIRST = (6, 9)
"""Matroska's FieldOrder: the lower field is stored and shown first, or shown first alone."""


def mastering_display(data: bytes) -> MasteringDisplay | None:
    """From an ``AVMasteringDisplayMetadata``: x, y of red, green, blue, white; luminances; whether either is known."""
    numbers = struct.unpack("=22i", data[:88])
    values = [Fraction(above, below or 1) for above, below in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
    points = [_within(round(value * _POINT), 16) for value in values[:8]] if numbers[20] else [0] * 8
    darkest, brightest = (_within(round(value * _CANDELA), 32) if numbers[21] else 0 for value in values[8:])
    red, green, blue, white = zip(points[::2], points[1::2], strict=True)
    found = MasteringDisplay((green, blue, red), white, brightest, darkest)
    return None if found == MasteringDisplay() else found


def content_light(data: bytes) -> ContentLight | None:
    """From an ``AVContentLightMetadata``."""
    content, average = struct.unpack("=2I", data[:8])
    found = ContentLight(_within(content, 16), _within(average, 16))
    return None if found == ContentLight(0, 0) else found


def aspect_of(ratio: Fraction | None) -> Fraction | None:
    """A sample aspect ratio that a file can hold; None where it is not known, or samples are square."""
    if not ratio or ratio == 1 or ratio < 0 or max(ratio.numerator, ratio.denominator) > _MOST:
        return None
    return ratio


def chroma_location_of(matroska_header: bytes) -> int | None:
    """The chroma sample location type that a Matroska header of one video says; None: type 0, or nothing."""
    at = matroska_header.find(b"\x55\xb7\x81")
    siting = matroska_header[at + 3 : at + 8]
    if at < 0 or len(siting) < 5 or siting[1:4] != b"\x55\xb8\x81":
        return None
    return _SITING.get((siting[0], siting[4]))


def is_bottom_first(matroska_header: bytes) -> bool:
    """Whether a Matroska header of one interlaced video says that the lower field is shown first."""
    return any(b"\x9a\x81\x01\x9d\x81" + bytes([order]) in matroska_header for order in _BOTTOM_FIRST)


def _within(value: int, bits: int) -> int:
    return min(max(value, 0), (1 << bits) - 1)


@dataclass
class Clock:
    """Collects when the frames of a video appear, one after another."""

    time_base: Fraction
    """Seconds of a tick."""
    starts: list[int] = field(default_factory=list)
    """Tick at which each frame appears."""
    last_ticks: int = 0
    """How long the last one is on screen; 0: not known."""
    is_sound: bool = True
    """Whether every frame said a time, and none ran backwards."""

    def add(self, start: int | None, ticks: int | None) -> None:
        """Take in the next frame."""
        if start is None or (self.starts and start <= self.starts[-1]):
            self.is_sound = False
        self.starts.append(start or 0)
        self.last_ticks = ticks or 0

    def end_at(self, seconds: Fraction) -> None:
        """The last frame is on screen until a time."""
        if (ticks := round(seconds / self.time_base) - self.starts[-1]) > 0:
            self.last_ticks = ticks

    def timestamps(self, first: int, count: int, fps: Fraction | None) -> Timestamps | None:
        """Those of some frames; None where they are as far apart as ``fps`` says, but for rounding to a whole tick.

        Frames as far apart as another rate says are of one tick each. The last one is on screen as long as it says,
        where it says nothing as long as the one before it.
        """
        starts = self.starts[first : first + count]
        if not self.is_sound or len(starts) < 2:
            return None
        ticks = [later - earlier for earlier, later in pairwise(starts)]
        behind = self.starts[first + count : first + count + 1]
        last = behind[0] - starts[-1] if behind else self.last_ticks or ticks[-1]
        is_held = not behind and last > 2 * ticks[-1]
        if not is_held and (periods := _periods([*starts, *behind], self.time_base)) is not None:
            if fps and periods[0] <= 1 / fps <= periods[1]:
                return None
            return Timestamps(1 / _rate_within(*periods), (1,) * len(starts))
        found = Timestamps.of_seconds([each * self.time_base for each in (*ticks, last)])
        return found if max(found.time_base.numerator, found.time_base.denominator, *found.ticks) <= _MOST else None


def _periods(starts: list[int], time_base: Fraction) -> tuple[Fraction, Fraction] | None:
    """Shortest and longest time between frames of constant rate that would appear at such ticks; None: of no such rate.

    Where ticks are short, each may be off by one: they are what times are rounded to. Long ones are what is meant.
    """
    off = 1 if time_base <= _ROUNDING else 0
    shortest = max(Fraction(start - starts[0] - off, number) for number, start in enumerate(starts[1:], 1))
    longest = min(Fraction(start - starts[0] + off, number) for number, start in enumerate(starts[1:], 1))
    return (shortest * time_base, longest * time_base) if shortest <= longest else None


def _rate_within(shortest: Fraction, longest: Fraction) -> Fraction:
    """A usual number of frames per second if frames may be so far apart, else a simple one."""
    middle = 2 / (shortest + longest)
    usual = Fraction(round(middle)), Fraction(round(middle * 1001 / 1000) * 1000, 1001)
    for rate in usual:
        if rate and shortest <= 1 / rate <= longest:
            return rate
    below = 1
    while not shortest <= 1 / (rate := middle.limit_denominator(below)) <= longest:
        below *= 2
    return rate
