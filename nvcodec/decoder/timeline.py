"""Which frame is on screen when: numbers of frames to seconds and back, exactly. No torch."""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from typing import SupportsFloat, SupportsIndex

from nvcodec.decoder.places import no_frame
from nvcodec.errors import NoTimeError, UsageError
from nvcodec.types import Timestamps


@dataclass(frozen=True)
class Timeline:
    """Frames shown one after another, each for the same time or for one of its own."""

    frames: int
    fps: Fraction | None
    """Frames per second; None when nothing says it."""
    timestamps: Timestamps | None = None
    """Of a video of variable rate, of at least as many frames; they win over the rate."""

    def index(self, frame: SupportsIndex) -> int:
        """The number of a frame, from 0; negative ones count from the end.

        Raises:
            IndexError: There is no such frame.
            TypeError: That is no integer.
        """
        try:
            asked = operator.index(frame)
        except TypeError:
            kind = type(frame).__name__
            raise TypeError(f"a frame has an integer number, not {kind}; get_frames_at takes several") from None
        found = asked + self.frames if asked < 0 else asked
        if not 0 <= found < self.frames:
            raise no_frame(asked, self.frames)
        return found

    def start(self, index: int) -> float | None:
        """Seconds at which a frame appears; None without times."""
        if self.timestamps is not None:
            return float(self.timestamps.start(index))
        return None if self.fps is None else float(index / self.fps)

    def length(self, index: int) -> float | None:
        """How many seconds a frame is on screen; None without times."""
        if self.timestamps is not None:
            return float(self.timestamps.ticks[index] * self.timestamps.time_base)
        return self.start(1)

    @property
    def seconds(self) -> float | None:
        """How long all frames take; None without times."""
        return self.start(self.frames)

    def index_at(self, seconds: SupportsFloat) -> int:
        """The frame on screen at a time: the last one that appears no later, as :meth:`start` has it.

        Args:
            seconds: 0 or more, less than :attr:`seconds`.

        Raises:
            UsageError: There are no times.
            ValueError: Nothing is on screen then.
        """
        if self.fps is None and self.timestamps is None:
            raise UsageError("the video has no frame rate: its frames have no times", "Ask by number:  get_frame_at")
        try:
            time = seconds if isinstance(seconds, Fraction) else float(seconds)
        except OverflowError:  # of an integer
            time = math.inf
        if 0 <= time < math.inf:
            index = min(self._appeared(Fraction(time)), self.frames)
            # 0.12 is a little less than 3/25 in binary, and yet when frame 3 of 25 a second appears
            index += index < self.frames and (self.start(index + 1) or 0.0) <= time
            if index < self.frames:
                return index
        raise NoTimeError(f"{seconds} s is not in 0 <= seconds < {self.seconds:.10g}")

    def _appeared(self, seconds: Fraction) -> int:
        """The last frame that appears no later, by exact times."""
        if self.timestamps is not None:
            return bisect_right(self.timestamps.starts, seconds / self.timestamps.time_base) - 1
        assert self.fps is not None
        return math.floor(seconds * self.fps)
