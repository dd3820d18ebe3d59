"""Normal numbers that are the same on every machine: an integer hash and a table. No torch."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_POSITIVE = (
    1, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 29, 31, 34, 36, 39, 42, 44, 47, 49,
    52, 54, 57, 59, 62, 65, 67, 70, 72, 75, 78, 80, 83, 86, 88, 91, 94, 96, 99, 102,
    104, 107, 110, 113, 115, 118, 121, 124, 127, 129, 132, 135, 138, 141, 144, 147, 150, 153, 156, 159,
    162, 165, 168, 171, 174, 177, 181, 184, 187, 190, 194, 197, 200, 204, 207, 211, 214, 218, 222, 225,
    229, 233, 237, 240, 244, 248, 252, 256, 261, 265, 269, 274, 278, 283, 287, 292, 297, 302, 307, 312,
    318, 323, 329, 334, 340, 347, 353, 360, 366, 374, 381, 389, 397, 405, 414, 424, 434, 445, 457, 470,
    484, 500, 518, 539, 565, 598, 645, 739,
)  # fmt: skip
"""round(256 * quantile((b + 1/2) / 256)) of the standard normal distribution, b = 128..255; frozen."""
NORMAL = np.array([*(-value for value in reversed(_POSITIVE)), *_POSITIVE], dtype=np.int16)
"""The same for b = 0..255."""
_GOLDEN = 0x9E3779B9


def latent(seed: int, level: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """A fixed array of normal numbers, multiples of 1/256 (bitstream_spec.md, "QS-NeRV configuration").

    Args:
        seed: 0..2^32-1.
        level: Number of the level, from 1.
        shape: At most 2^32 elements.

    Returns:
        float32 of that shape, -2.9..2.9.
    """
    start = mixed(mixed(_numbers(level)) ^ _numbers(seed))
    counters: npt.NDArray[np.uint32] = np.arange(math.prod(shape), dtype=np.uint32) * _numbers(_GOLDEN) + start
    values: npt.NDArray[np.float32] = NORMAL[mixed(counters) >> 24].astype(np.float32) / np.float32(256)
    return values.reshape(shape)


def mixed(x: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The finaliser of MurmurHash3: a bijection of 32 bit integers in which every bit depends on every other."""
    x = (x ^ (x >> _numbers(16))) * _numbers(0x85EBCA6B)
    x = (x ^ (x >> _numbers(13))) * _numbers(0xC2B2AE35)
    return x ^ (x >> _numbers(16))


def _numbers(value: int) -> npt.NDArray[np.uint32]:
    """One number as an array: numpy warns of scalars that wrap around, and here they are meant to."""
    return np.array([value], dtype=np.uint32)
