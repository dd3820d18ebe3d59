"""Which frame is on screen when: numbers of frames to seconds and back, exactly. No torch."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from fractions import Fraction
from typing import SupportsFloat, SupportsIndex

from nvcodec.decoder.places import no_frame
from nvcodec.errors import UsageError


@dataclass(frozen=True)
class Timeline:
    """Frames shown one after another, each for the same time."""

    frames: int
    fps: Fraction | None
    """Frames per second; None when nothing says it."""

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
        """Seconds at which a frame appears; None without a frame rate."""
        return None if self.fps is None else float(index / self.fps)

    @property
    def frame_seconds(self) -> float | None:
        """How long one frame is on screen; None without a frame rate."""
        return self.start(1)

    @property
    def seconds(self) -> float | None:
        """How long all frames take; None without a frame rate."""
        return self.start(self.frames)

    def index_at(self, seconds: SupportsFloat) -> int:
        """The frame on screen at a time: the last one that appears no later, as :meth:`start` has it.

        Args:
            seconds: 0 or more, less than :attr:`seconds`.

        Raises:
            UsageError: There is no frame rate.
            ValueError: Nothing is on screen then.
        """
        if self.fps is None:
            raise UsageError("the video has no frame rate: its frames have no times", "Ask by number:  get_frame_at")
        try:
            time = seconds if isinstance(seconds, Fraction) else float(seconds)
        except OverflowError:  # of an integer
            time = math.inf
        if 0 <= time < math.inf:
            index = min(math.floor(Fraction(time) * self.fps), self.frames)
            # 0.12 is a little less than 3/25 in binary, and yet when frame 3 of 25 a second appears
            index += float((index + 1) / self.fps) <= time
            if index < self.frames:
                return index
        raise ValueError(f"{seconds} s is not in 0 <= seconds < {self.seconds:.10g}")
