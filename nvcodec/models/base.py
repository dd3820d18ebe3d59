"""The face every representation shows to the rest of the codec."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.precision import in_float32, widened
from nvcodec.quant.tensors import TensorSpec

PlaneTensors = tuple[Tensor, ...]
"""Planes of a batch, [B, rows, columns] each: three, or the one of grey."""


@dataclass(frozen=True)
class CellWindow:
    """A rectangle of base cells to draw, with a margin around it that convolutions may look at."""

    top: int
    left: int
    rows: int
    columns: int
    margin: int


class Drawing(NamedTuple):
    """What a field makes of a batch of frames."""

    planes: PlaneTensors
    """Float [B, rows, columns] each: (Y, U, V), (R, G, B) or (Y,), in units of the largest code value, not clamped,
    cropped to the picture (or to the window drawn)."""
    features: list[Tensor]
    """The pyramid behind them, float [B, h, w, C], coarse to fine: the embedding, then every block's output."""


class FlatPlane(NamedTuple):
    """How a field draws one of its planes in one value, whatever else it draws: by a bias alone."""

    weight: str
    """Parameter whose rows are to be zeros."""
    bias: str
    """Parameter that is to have a value."""
    channels: Tensor
    """Rows of both, int64."""
    value: float


class VideoField(nn.Module, ABC):
    """A video as a function of time. Subclasses are final; they hold coded parameters and nothing else."""

    geometry: FieldGeometry
    specs: Sequence[TensorSpec]
    """The coded tensors; ``spec.name`` is the parameter's name in the module."""
    scale: int
    """Luma samples per base cell along each axis."""
    interleaved: int = 1
    """Luma samples per place, along each axis, that the head draws whole pictures of with kernels of their own; 1 where
    it draws what is added to another picture, whose grid of dots was not found to shrink by a loss against it."""
    capturable: bool = False
    """Whether drawing follows from tensors on the device alone, so that a step can be compiled and recorded as a CUDA
    graph. Others ask which frames they are to draw: they are given them in CPU memory, where that waits for nothing."""

    branched: Sequence[str] = ()
    """Convolutions, by the names of their modules, that a fit may split into several of different sizes."""

    @abstractmethod
    def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
        """Draw frames, counted within the segment: whole pictures, or a window of them.

        Args:
            frames: int64 [B]; or float32 [B], times in frames, 0 to the last one: whatever the field stores for single
                frames is interpolated linearly, and a picture between two groups of pictures belongs to the earlier.
                On the field's device; if it is not capturable, rather on the CPU.
            window: Part of the picture; None = all of it.
        """

    def draw_anew(self, on: bool) -> None:  # noqa: B027
        """Draw what is random in a step of a fit anew with each call from now on, or take every decoder's numbers.

        Fields begin with the numbers of decoders; most have nothing that is random.
        """

    def flat_plane(self, plane: int, level: float) -> FlatPlane | None:
        """How to draw a plane in one value; None: this field has no such way.

        Args:
            plane: Which, from 0.
            level: The value in units of the largest code value; where something else is drawn first, above that.
        """
        return None


class PyramidField(VideoField):
    """A field that draws every frame for itself, from features that grow finer from block to block."""

    @abstractmethod
    def features(self, frames: Tensor, window: CellWindow | None = None, levels: int | None = None) -> list[Tensor]:
        """The feature pyramid of frames int64 [B]; see :class:`Drawing`.

        Args:
            frames: As in :meth:`forward`.
            window: Only this part of it.
            levels: Only so many of its levels, the coarsest ones, 1 or more; nothing finer is computed. None = all.
        """

    @abstractmethod
    def draw(self, finest: Tensor) -> PlaneTensors:
        """The head: the finest features, float32, to planes, float32 [B, rows, columns], not cropped."""

    def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
        """See :meth:`VideoField.forward`."""
        features = self.features(frames, window)
        with in_float32(features[-1]):
            drawn = self.draw(widened(features[-1]))
        inside = region(self.geometry, self.scale, window)
        # a window's features start at its margin, or at the picture's edge where that is nearer
        skip = (0, 0) if window is None else (min(window.top, window.margin), min(window.left, window.margin))
        planes = []
        for plane, (rows, columns) in zip(drawn, inside, strict=True):
            top = skip[0] * (self.scale * plane.shape[1] // drawn[0].shape[1])
            left = skip[1] * (self.scale * plane.shape[2] // drawn[0].shape[2])
            planes.append(plane[:, top : top + rows.stop - rows.start, left : left + columns.stop - columns.start])
        return Drawing(tuple(planes), features)


def region(geometry: FieldGeometry, scale: int, window: CellWindow | None) -> list[tuple[slice, slice]]:
    """Rows and columns of each plane that a window covers, within the picture."""
    chroma = geometry.chroma
    slices = []
    for rows, columns in [(1, 1), *[chroma.cell] * (chroma.planes - 1)]:
        height, width = -(-geometry.height // rows), -(-geometry.width // columns)
        if window is None:
            slices.append((slice(0, height), slice(0, width)))
            continue
        top, left = window.top * (scale // rows), window.left * (scale // columns)
        bottom, right = top + window.rows * (scale // rows), left + window.columns * (scale // columns)
        slices.append((slice(top, min(bottom, height)), slice(left, min(right, width))))
    return slices


def at_times(values: Tensor, frames: Tensor) -> Tensor:
    """What a field stores for single frames, interpolated linearly at times between them.

    Args:
        values: [frames, ...].
        frames: int64 [B], or float [B] from 0 to the last frame.

    Returns:
        [B, ...].
    """
    if not frames.is_floating_point():
        return values[frames]
    lower = frames.floor().long()
    fraction = (frames - lower).view(-1, *[1] * (values.dim() - 1))
    return torch.lerp(values[lower], values[(lower + 1).clamp(max=len(values) - 1)], fraction)


def lerp_rows(times: Tensor, frames: int, nodes: int) -> Tensor:
    """Weights that interpolate ``nodes`` grid nodes, spread evenly over ``frames`` frames, linearly in time.

    Args:
        times: Frame numbers [...], whole or not; clamped to the clip.
        frames: Frames of the segment.
        nodes: Nodes of the grid.

    Returns:
        float32 [..., nodes]; every row sums to 1 and has at most two entries.
    """
    position = ((times + 0.5) * (nodes / frames) - 0.5).clamp(0, nodes - 1)
    lower = position.floor().long().clamp(max=max(nodes - 2, 0))
    fraction = (position - lower).to(torch.float32).unsqueeze(-1)
    rows = torch.zeros(*times.shape, nodes, device=times.device)
    rows.scatter_(-1, lower.unsqueeze(-1), 1 - fraction)
    if nodes > 1:
        rows.scatter_(-1, (lower + 1).unsqueeze(-1), fraction)
    return rows
