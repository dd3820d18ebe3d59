"""The order in which the elements of a 4-D grid are coded, and their neighbours that are known by then.

A grid [T, h, w, C] is coded in steps; all elements of a step depend on earlier steps only. In time, slice 0 comes
first, then the slices half-way between known ones, so that most slices have a known one on either side. Within the
slices of a level, every fourth row and column comes first, then what lies between, down to single rows and columns.
That makes few steps, of many elements each, whatever the shape. Arrays have the channels first here: [C, T, h, w].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int32]

_ACROSS = ((-1, 0), (0, -1), (0, 1), (1, 0))
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
_ALL = slice(0, None, 1)


@dataclass(frozen=True)
class Level:
    """Slices in time that are coded together."""

    times: slice
    span: int
    """Known slices are this far before and behind; 0: there are none."""


@dataclass(frozen=True)
class Phase:
    """Places within a slice that are coded together."""

    rows: slice
    columns: slice
    reach: int
    """Known places are this far away; 0: there are none."""
    neighbours: tuple[tuple[int, int], ...]
    """Directions (rows, columns) in which known places lie."""


@dataclass(frozen=True)
class Step:
    """Elements of a grid that are coded together."""

    level: Level
    phase: Phase

    @property
    def part(self) -> tuple[slice, slice, slice, slice]:
        """Where the elements are: channels, times, rows, columns."""
        return _ALL, self.level.times, self.phase.rows, self.phase.columns

    @property
    def times(self) -> slice:
        """Where they are in an array [T, 1, 1]."""
        return self.level.times

    @property
    def places(self) -> tuple[slice, slice, slice]:
        """Where they are in an array [1, h, w]."""
        return _ALL, self.phase.rows, self.phase.columns


def _phases() -> Iterator[Phase]:
    yield Phase(slice(0, None, 4), slice(0, None, 4), 0, ())
    for reach in (2, 1):
        even, odd = slice(0, None, 2 * reach), slice(reach, None, 2 * reach)
        yield Phase(odd, odd, reach, _CORNERS)
        yield Phase(even, odd, reach, _ACROSS)
        yield Phase(odd, even, reach, _ACROSS)


_PHASES = tuple(_phases())
EVERYTHING = Step(Level(_ALL, 0), Phase(_ALL, _ALL, 0, ()))
"""All elements of a grid, as if none had neighbours."""


def _levels(slices: int) -> list[Level]:
    spans = [1 << bit for bit in reversed(range((slices - 1).bit_length()))]
    return [Level(slice(0, None, slices), 0), *(Level(slice(span, None, 2 * span), span) for span in spans)]


def steps(slices: int, rows: int, columns: int) -> list[Step]:
    """Return the steps of a grid of T slices, h rows and w columns, in order; those without elements are left out."""
    phases = [phase for phase in _PHASES if phase.rows.start < rows and phase.columns.start < columns]
    return [Step(level, phase) for level in _levels(slices) for phase in phases]


@dataclass(frozen=True, eq=False)
class Lattice:
    """What is known of the neighbours of every element of a grid."""

    in_time: Integers
    """How many are known before and behind, int32 [T, 1, 1], 0..2."""
    span_log2: Integers
    """How far away these are, logarithm to base 2, int32 [T, 1, 1]."""
    in_slice: Integers
    """How many are known within the slice, int32 [1, h, w], 0..4."""
    reach_log2: Integers
    """How far away these are, logarithm to base 2, int32 [1, h, w]."""
    corners: Integers
    """1 where these lie across corners, else 0, int32 [1, h, w]."""


@lru_cache(maxsize=64)
def lattice(slices: int, rows: int, columns: int) -> Lattice:
    """Return what is known of the neighbours in a grid of T slices, h rows and w columns."""
    line = np.zeros((2, slices, 1, 1), dtype=np.int32)
    for level in _levels(slices):
        line[:1, level.times] = _sum_in_time(np.ones_like(line[:1]), level, EVERYTHING.phase)
        line[1, level.times] = max(level.span, 1).bit_length() - 1
    plane = np.zeros((3, 1, rows, columns), dtype=np.int32)
    for phase in _PHASES:
        place = plane[:, :, phase.rows, phase.columns]
        place[:1] = _sum_in_slice(np.ones_like(plane[:1]), EVERYTHING.level, phase)
        place[1] = max(phase.reach, 1).bit_length() - 1
        place[2] = phase.neighbours is _CORNERS
    return Lattice(*line, *plane)


def sums_of_step(values: Integers, step: Step) -> tuple[Integers, Integers]:
    """Add up the known neighbours of the elements of a step.

    Args:
        values: int32 [C, T, h, w]; only elements of earlier steps are looked at.
        step: The step.

    Returns:
        Sums in time and within the slice, int32 of the shape of the step.
    """
    return _sum_in_time(values, step.level, step.phase), _sum_in_slice(values, step.level, step.phase)


def sums_everywhere(values: Integers) -> tuple[Integers, Integers]:
    """Do what ``sums_of_step`` does for all steps at once, int32 [C, T, h, w]; all values are given."""
    in_time, in_slice = np.zeros_like(values), np.zeros_like(values)
    for level in _levels(values.shape[1]):
        in_time[:, level.times] = _sum_in_time(values, level, EVERYTHING.phase)
    for phase in _PHASES:
        in_slice[:, :, phase.rows, phase.columns] = _sum_in_slice(values, EVERYTHING.level, phase)
    return in_time, in_slice


def _sum_in_time(values: Integers, level: Level, phase: Phase) -> Integers:
    sums = np.zeros_like(values[Step(level, phase).part])
    for offset in (-level.span, level.span) if level.span else ():
        target, source = _neighbours(level.times, offset, values.shape[1])
        sums[:, target] += values[:, source, phase.rows, phase.columns]
    return sums


def _sum_in_slice(values: Integers, level: Level, phase: Phase) -> Integers:
    sums = np.zeros_like(values[Step(level, phase).part])
    for down, right in phase.neighbours:
        target_rows, source_rows = _neighbours(phase.rows, down * phase.reach, values.shape[2])
        target_columns, source_columns = _neighbours(phase.columns, right * phase.reach, values.shape[3])
        sums[:, :, target_rows, target_columns] += values[:, level.times, source_rows, source_columns]
    return sums


def _neighbours(positions: slice, offset: int, size: int) -> tuple[slice, slice]:
    """Return which of the positions along an axis have a neighbour at an offset, by their order, and where it is.

    The offset is at most the distance between positions, so that none but the first and the last can lack it.
    """
    start, step = positions.start, positions.step
    first = 1 if start + offset < 0 else 0
    end = size - max(offset, 0)
    last = max(len(range(start, end, step)), first)
    return slice(first, last), slice(start + first * step + offset, max(end + offset, 0), step)
