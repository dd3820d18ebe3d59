"""A field seen small: a linear head on features that the field has long before its picture is finished."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.models.base import CellWindow, Drawing, PlaneTensors, PyramidField, VideoField, region
from nvcodec.models.planes import unpack
from nvcodec.models.precision import in_float32, widened
from nvcodec.models.previews import PreviewShape, preview_geometry


class Preview(VideoField):
    """Draws the frames of a field at a fraction of their size.

    Args:
        base: The field, which is shared with whoever draws whole pictures; only the head's parameters are our own.
        shape: Of the head.
    """

    def __init__(self, base: PyramidField, shape: PreviewShape) -> None:
        super().__init__()
        self.base, self.shape, self.specs, self.scale = base, shape, shape.specs, base.scale
        self.geometry, self.capturable = preview_geometry(base.geometry, shape.divisor), base.capturable
        kernel, mixing, bias = (spec.shape for spec in shape.specs)
        self.kernel = nn.Parameter(torch.zeros(kernel))
        self.mixing = nn.Parameter(torch.zeros(mixing))
        self.bias = nn.Parameter(torch.zeros(bias))

    def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
        """See :meth:`VideoField.forward`; there are no windows of a preview, and no features behind it."""
        assert window is None
        places = self.places(frames)
        with in_float32(places):
            narrow = F.conv2d(widened(places), self.kernel, padding=1).permute(0, 2, 3, 1)  # [B, h, w, rank]
            packed = F.linear(narrow, self.mixing, self.bias)  # [B, h, w, outputs]
        return Drawing(self._cropped(unpack(packed, self.shape.shuffle, self.geometry.chroma)), [])

    def places(self, frames: Tensor) -> Tensor:
        """What the head is drawn from for frames int64 [B], float [B, inputs, h, w]."""
        x = self.base.features(frames, levels=self.shape.level + 1)[-1].permute(0, 3, 1, 2)
        return x if self.shape.pool == 1 else F.avg_pool2d(x, self.shape.pool, ceil_mode=True)

    def _cropped(self, planes: PlaneTensors) -> PlaneTensors:
        """The part of planes that cover the picture which is the picture."""
        inside = region(self.geometry, self.scale, None)
        return tuple(plane[:, rows, columns] for plane, (rows, columns) in zip(planes, inside, strict=True))
