"""Collapses: networks of this family sometimes lose all they learned within a few steps, and waiting does not help."""

from __future__ import annotations

import math
from typing import NamedTuple, final

from nvcodec.encoder.fit.kept import Kept

SAVED_EVERY = 100
"""Steps between states to go back to."""
_COLLAPSE_RATIO = 4.0
"""An error this many times the best (6 dB) is a collapse."""
_INVISIBLE = 1 / 12
"""Mean square of what rounding to code values hides: less than that is as good as none."""
_NEARLY_BEST = 1.5
"""Errors up to this many times that of the last good state make another one."""


class Safe(NamedTuple):
    """A state that one can go back to."""

    error: float
    """Mean error of the frames in it."""
    state: Kept


@final
class Guard:
    """Keeps the last good state of a fit.

    Args:
        peak: Largest code value.
    """

    def __init__(self, peak: int) -> None:
        self._least = _INVISIBLE / peak**2
        self.safe: Safe | None = None

    def look(self, error: float, state: Kept | None) -> Kept | None:
        """Learn how the fit does.

        Args:
            error: Mean error of the frames.
            state: What it was then, if that was kept.

        Returns:
            What to go back to, where the fit has collapsed.
        """
        if state is not None and math.isfinite(error) and (self.safe is None or error < _NEARLY_BEST * self.safe.error):
            self.safe = Safe(error, state)
        if self.safe is None or error < _COLLAPSE_RATIO * max(self.safe.error, self._least):
            return None  # not for an error that is no number
        return self.safe.state
