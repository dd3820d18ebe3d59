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
_NORM_EPSILON = 1e-6
_DEVIATION = 0.02
"""Of the normal numbers that weights begin with, as in ConvNeXt."""


class ContentEncoder(Companion):
    """ConvNeXt stages with the strides of the decoder, in its order.

    Source: HNeRV section 3.1 and its released code; QS-NeRV section 3.2 for the coupling, 4.2 for the distribution
    loss, whose mean over values is ours: the paper does not say how it is normalised. The maps are made from features
    by two convolutions, which the paper does not describe either. Features that are to have another width than the
    encoder's 64 channels go through a 1x1 convolution first; in the paper there are none such.
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
            self.stages.append(Stage(incoming, outgoing, stride, is_first=index == 0))
            incoming = outgoing
        self.couplings = [skip.coupling if isinstance(skip, InvertibleSkip) else None for skip in field.skips]
        self.direct, width = config.direct, config.skip_channels
        self.to_features = nn.ModuleList(
            nn.Identity() if width == _WIDTH else nn.Conv2d(_WIDTH, width, 1) for _ in field.skips
        )
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
            small = features if self.direct else self.to_map[level](features)
            if coupling is not None:
                prefix = f"skips.{level}.coupling."
                own = {name.removeprefix(prefix): part for name, part in parameters.items() if name.startswith(prefix)}
                small, normal = functional_call(coupling, own, (small, features))
                penalty = penalty + distribution_loss(normal)
            rows[f"maps.{level}"] = small.permute(0, 2, 3, 1)
        return Rows(rows, penalty)


def distribution_loss(normal: Tensor) -> Tensor:
    """-log p of values that should be normal with a deviation of 1, their mean, less its constant (QS-NeRV, 4.2)."""
    return 0.5 * normal.square().mean()


class Stage(nn.Module):
    """Cells of ``stride`` x ``stride`` to one place each, then a ConvNeXt block; a norm behind the first's cells."""

    def __init__(self, incoming: int, outgoing: int, stride: int, *, is_first: bool) -> None:
        super().__init__()
        self.is_first = is_first
        self.patches = nn.Conv2d(incoming, outgoing, stride, stride)
        self.patch_norm = nn.LayerNorm(outgoing if is_first else incoming, _NORM_EPSILON)
        self.depthwise = nn.Conv2d(outgoing, outgoing, 7, padding=3, groups=outgoing)
        self.norm = nn.LayerNorm(outgoing, _NORM_EPSILON)
        self.expand = nn.Linear(outgoing, 4 * outgoing)
        self.project = nn.Linear(4 * outgoing, outgoing)
        self.gain = nn.Parameter(torch.full((outgoing,), 1e-6))
        for layer in (self.patches, self.depthwise, self.expand, self.project):
            nn.init.trunc_normal_(layer.weight, std=_DEVIATION)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, outgoing, h / stride, w / stride]."""
        x = _normed(self.patches(x), self.patch_norm) if self.is_first else self.patches(_normed(x, self.patch_norm))
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.gain * self.project(F.gelu(self.expand(y)))
        out: Tensor = x + y.permute(0, 3, 1, 2)
        return out


def _normed(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Every place of [B, C, h, w] over its channels."""
    out: Tensor = norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return out


def _stacked(planes: PlaneTensors, size: tuple[int, int]) -> Tensor:
    """Planes as float [B, planes, *size]: chroma repeated, edges replicated, centred on zero."""
    rows, columns = planes[0].shape[1:]
    full = [F.interpolate(plane.unsqueeze(1), size=(rows, columns)) for plane in planes]
    padded = F.pad(torch.cat(full, dim=1), (0, size[1] - columns, 0, size[0] - rows), mode="replicate")
    return padded - 0.5
