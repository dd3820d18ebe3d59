"""What the bytes of raw video say of its depth: samples of 10 or 12 bits cannot be taken for 8."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_PLACES, _PLACE_BYTES = 8, 1 << 16
"""What is looked at: so many stretches of so many bytes, spread evenly."""
_DEPTHS = (10, 12)
_VARIED = 32
"""Of the other bytes, which have all values, a quarter is at least this large. In a picture of 8 bits they are the
neighbours of the small ones, and small too."""


def depth_seen(path: Path) -> int | None:
    """Bits of the samples of a raw file, 10 or 12, that are two little-endian bytes each; None: they may well be 8.

    Of such samples every second byte, the upper one, is below 4 or 16; the others are anything.
    """
    with path.open("rb") as file:
        total = file.seek(0, 2)
        pairs = []
        for place in range(_PLACES):
            file.seek(max(total - _PLACE_BYTES, 0) * place // (_PLACES - 1) // 2 * 2)
            found = np.frombuffer(file.read(_PLACE_BYTES), np.uint8)
            pairs.append(found[: len(found) // 2 * 2].reshape(-1, 2))
    lower, upper = np.concatenate(pairs).T
    if not lower.size or np.mean(lower >= _VARIED) < 0.25:
        return None
    return next((depth for depth in _DEPTHS if int(upper.max()) < 1 << depth - 8), None)
