"""The content encoder of HNeRV and QS-NeRV: frames to embeddings and maps of side information."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from nvcodec.encoder.fit.companion import Companion, Rows
from nvcodec.models.base import PlaneTensors, VideoField
from nvcodec.models.qsnerv import InvertibleSkip, QSNeRV

_WIDTH = 64
_PENALTY = 1e-3
"""Weight of the distribution loss. The paper has 1, but does not say how it is normalised: here it is a mean."""


class ContentEncoder(Companion):
    """ConvNeXt stages with the strides of the decoder, in its order.

    Source: HNeRV section 3.1 and its released code; QS-NeRV section 3.2 for the coupling. The maps are made from
    features by two convolutions, which the paper does not describe.
    """

    def __init__(self, field: VideoField) -> None:
        super().__init__()
        assert isinstance(field, QSNeRV)
        config, rows_columns = field.config, field.config.base_size(field.geometry)
        self.size = rows_columns[0] * config.scale, rows_columns[1] * config.scale
        first, *rest = config.strides
        strides = (first * config.shuffle, *rest)
        self.stages, incoming = nn.ModuleList(), field.geometry.chroma.planes
        for index, stride in enumerate(strides):
            outgoing = _WIDTH if index < len(strides) - 1 else config.embedding
            self.stages.append(Stage(incoming, outgoing, stride))
            incoming = outgoing
        self.couplings = [skip.coupling if isinstance(skip, InvertibleSkip) else None for skip in field.skips]
        width = config.skip_channels
        self.to_features = nn.ModuleList(nn.Conv2d(_WIDTH, width, 1) for _ in field.skips)
        self.to_map = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, 16, 3, padding=1), nn.GELU(), nn.Conv2d(16, 1, 3, padding=1))
            for _ in field.skips
        )

    def forward(self, targets: PlaneTensors, parameters: Mapping[str, Tensor]) -> Rows:
        """See :class:`Companion`."""
        x = _stacked(targets, self.size)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        rows, penalty = {"embedding": x.permute(0, 2, 3, 1)}, x.new_zeros(())
        for level, coupling in enumerate(self.couplings):
            features = self.to_features[level](outputs[-2 - level])
            small = self.to_map[level](features)
            if coupling is not None:
                prefix = f"skips.{level}.coupling."
                own = {name.removeprefix(prefix): part for name, part in parameters.items() if name.startswith(prefix)}
                small, normal = functional_call(coupling, own, (small, features))
                penalty = penalty + _PENALTY * 0.5 * normal.square().mean()
            rows[f"maps.{level}"] = small.permute(0, 2, 3, 1)
        return Rows(rows, penalty)


class Stage(nn.Module):
    """Cells of ``stride`` x ``stride`` to one place each, then a ConvNeXt block."""

    def __init__(self, incoming: int, outgoing: int, stride: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(incoming, outgoing, stride, stride)
        self.depthwise = nn.Conv2d(outgoing, outgoing, 7, padding=3, groups=outgoing)
        self.expand = nn.Linear(outgoing, 4 * outgoing)
        self.project = nn.Linear(4 * outgoing, outgoing)
        self.gain = nn.Parameter(torch.full((outgoing,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, outgoing, h / stride, w / stride]."""
        x = self.patches(x)
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.gain * self.project(F.gelu(self.expand(F.layer_norm(y, y.shape[-1:]))))
        out: Tensor = x + y.permute(0, 3, 1, 2)
        return out


def _stacked(planes: PlaneTensors, size: tuple[int, int]) -> Tensor:
    """Planes as float [B, planes, *size]: chroma repeated, edges replicated, centred on zero."""
    rows, columns = planes[0].shape[1:]
    full = [F.interpolate(plane.unsqueeze(1), size=(rows, columns)) for plane in planes]
    padded = F.pad(torch.cat(full, dim=1), (0, size[1] - columns, 0, size[0] - rows), mode="replicate")
    return padded - 0.5
