"""Where groups of pictures begin: partition of a clip by how much its frames differ. Numbers only, no torch.

Source: TeNeRV (Zhu et al.) section III-B, equation 4 and Algorithm 1. The paper maximises, greedily, the
divergence at the boundaries; :func:`exact` finds the true maximum and is the default. Boundaries are written to the
file, so a decoder computes nothing of this.
"""

from __future__ import annotations

from bisect import insort

import numpy as np
import numpy.typing as npt

from nvcodec.config.fit import GopConfig, Partition

_RESOLUTION = 1e-7
"""Divergences are compared in units of this, so that machines that round differently choose the same boundaries."""
_ALIKE = 1e-6
"""Where divergences differ by less, as in a static clip, they say nothing."""
_SHORTEST = 8
"""Frames of the shortest group the rule makes."""

Divergence = npt.NDArray[np.float64]
"""float64 [T]: how much frame t differs from frame t - 1, 0..2. The first entry means nothing: no group begins there
but the first."""


def group_count(frames: int, config: GopConfig) -> int:
    """Groups of pictures in a segment: those asked for, but no more than have the least number of frames."""
    if config.partition is Partition.FIXED:
        return -(-frames // config.length)
    shortest = config.min_length or min(_SHORTEST, frames)
    return max(1, min(config.count, frames // shortest))


def min_length(frames: int, count: int, config: GopConfig) -> int:
    """Frames of the shortest group allowed: as asked for, or half of the mean, but at least 8 where they are there."""
    return config.min_length or min(max(_SHORTEST, frames // (2 * count)), frames // count)


def divergence(features: npt.NDArray[np.float32]) -> Divergence:
    """Cosine distance between the features of neighbouring frames (equation 4).

    Args:
        features: float32 [T, n], one row per frame. A row of zeros is at distance 1 from every other.
    """
    rows = features.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1) + 1e-12
    distances = np.zeros(len(rows))
    distances[1:] = 1 - (rows[1:] * rows[:-1]).sum(axis=1) / (lengths[1:] * lengths[:-1])
    return np.asarray(np.round(distances / _RESOLUTION) * _RESOLUTION)


def partition(values: Divergence, count: int, config: GopConfig) -> tuple[int, ...]:
    """First frame of each of ``count`` groups.

    Args:
        values: Divergence of every frame.
        count: As from :func:`group_count`.
        config: Which way.
    """
    frames = len(values)
    if config.partition is Partition.FIXED:
        return tuple(range(0, frames, config.length))
    if count == 1:
        return (0,)
    if config.partition is Partition.UNIFORM or np.ptp(values[1:]) < _ALIKE:
        return uniform(frames, count)
    shortest = min_length(frames, count, config)
    found = greedy(values, count, shortest) if config.partition is Partition.GREEDY else None
    return found or exact(values, count, shortest)


def uniform(frames: int, count: int) -> tuple[int, ...]:
    """Groups of nearly equal length: the first frame of each."""
    return tuple(-(-index * frames // count) for index in range(count))


def exact(values: Divergence, count: int, shortest: int) -> tuple[int, ...]:
    """The partition whose boundaries have the largest sum of divergences, no group being shorter than allowed.

    Dynamic programme over the number of boundaries and the last one, O(T * count). Among equals, the earliest
    boundaries win, the last being compared first.

    Args:
        values: Divergence of every frame.
        count: Groups; ``count * shortest`` is at most T.
        shortest: Frames of the shortest group allowed, at least 1.
    """
    frames = len(values)
    assert count * shortest <= frames
    # best[t]: largest sum of divergences when the newest of so many groups begins at frame t
    best = np.full(frames, -np.inf)
    best[0] = 0.0
    choices = []
    for _ in range(count - 1):
        largest = np.maximum.accumulate(best)
        is_new = best > np.concatenate(([-np.inf], largest[:-1]))
        where = np.maximum.accumulate(np.where(is_new, np.arange(frames), 0))
        best = np.full(frames, -np.inf)
        best[shortest:] = largest[:-shortest] + values[shortest:]
        best[frames - shortest + 1 :] = -np.inf
        choices.append(where)
    starts = [int(np.argmax(best))]
    for where in reversed(choices):
        starts.append(int(where[starts[-1] - shortest]))
    return tuple(reversed(starts))


def greedy(values: Divergence, count: int, shortest: int) -> tuple[int, ...] | None:
    """Algorithm 1 of the paper: the frames that diverge most; boundaries too close to others give way to the next best.

    Where the paper is silent: frame 0 is no candidate; among equal divergences the earlier frame is the better one; of
    several groups that are too short the first is mended; and when candidates run out, there is no result.

    Returns:
        First frame of each group, or None where candidates ran out.
    """
    candidates = iter((1 + np.argsort(-values[1:], kind="stable")).tolist())
    boundaries = sorted(next(candidates) for _ in range(count - 1))
    while True:
        edges = [0, *boundaries, len(values)]
        short = next((pair for pair in zip(edges, edges[1:], strict=False) if pair[1] - pair[0] < shortest), None)
        if short is None:
            return 0, *boundaries
        removable = [frame for frame in short if frame in boundaries]
        replacement = next(candidates, None)
        if replacement is None or not removable:
            return None
        # of two equals the later one goes
        boundaries.remove(min(removable, key=lambda frame: (values[frame], -frame)))
        insort(boundaries, replacement)
