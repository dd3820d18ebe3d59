"""Which features a preview is drawn from, and how its head is shaped. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.pyramid import Pyramid, head_channels
from nvcodec.quant.tensors import Role, TensorSpec

MAX_SHUFFLE = 16
"""Samples of a small picture per place, along each axis: as many as a network's own head may have."""


@dataclass(frozen=True)
class PreviewShape:
    """A head that draws small pictures from one level of a pyramid: a 3x3 convolution to few channels, and a matrix."""

    divisor: int
    """What the sides of the picture are divided by."""
    level: int
    """Of the pyramid."""
    rank: int
    """Channels between the two, at most ``outputs``."""
    inputs: int
    """Channels of the level."""
    outputs: int
    """Channels that hold the samples of one place."""
    shuffle: int
    """Samples of the small picture per place, along each axis."""
    pool: int
    """Places averaged to one, along each axis; 1 unless ``shuffle`` is 1."""

    @property
    def specs(self) -> list[TensorSpec]:
        """The coded tensors; names are those of the torch module's parameters."""
        return [
            TensorSpec(0, "kernel", (self.rank, self.inputs, 3, 3), Role.WEIGHT, 0, 1),
            TensorSpec(1, "mixing", (self.outputs, self.rank), Role.WEIGHT, 0, 1),
            TensorSpec(2, "bias", (self.outputs,), Role.VECTOR, None),
        ]

    @property
    def parameters(self) -> int:
        """Coded numbers."""
        return sum(spec.size for spec in self.specs)


def preview_shape(pyramid: Pyramid, geometry: FieldGeometry, divisor: int, level: int, rank: int) -> PreviewShape:
    """The head that draws at ``1 / divisor`` from a level.

    Raises:
        ValueError: There is no such level, its places do not match the samples of the small picture, or the rank is
            more than there are samples.
    """
    if not 0 <= level < len(pyramid.levels):
        raise ValueError(f"level {level} is not in 0..{len(pyramid.levels) - 1}")
    place = _samples(pyramid, level)
    shuffle = max(1, place // divisor)
    if (place % divisor and divisor % place) or shuffle > MAX_SHUFFLE:
        raise ValueError(f"level {level} has {place} samples to a place, which 1/{divisor} does not match")
    inputs, outputs = pyramid.levels[level].channels, head_channels(shuffle, geometry.chroma)
    if not 1 <= rank <= outputs:
        raise ValueError(f"rank {rank} is not in 1..{outputs}")
    return PreviewShape(divisor, level, rank, inputs, outputs, shuffle, max(1, divisor // place))


def choose_level(pyramid: Pyramid, divisor: int) -> int | None:
    """The coarsest block whose output a preview can be drawn from as the picture is from the finest one.

    None: it would be the finest itself, and nothing would be saved.
    """
    for level in range(1, len(pyramid.levels) - 1):
        place = _samples(pyramid, level)
        if place <= pyramid.shuffle * divisor and not (place % divisor and divisor % place):
            return level
    return None


def most_rank(pyramid: Pyramid, geometry: FieldGeometry, divisor: int, level: int) -> int:
    """Channels that hold the samples of one place of a level that :func:`choose_level` chose."""
    return head_channels(max(1, _samples(pyramid, level) // divisor), geometry.chroma)


def preview_geometry(geometry: FieldGeometry, divisor: int) -> FieldGeometry:
    """What a preview draws; sides are rounded up."""
    return replace(geometry, height=ceil(geometry.height / divisor), width=ceil(geometry.width / divisor))


def _samples(pyramid: Pyramid, level: int) -> int:
    """Luma samples per place of a level, along each axis."""
    return pyramid.shuffle * pyramid.levels[-1].rows // pyramid.levels[level].rows
