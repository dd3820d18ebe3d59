"""Enhancement networks of QS-NeRV: a residual, drawn from the features of the layer below.

    embedding, grid -> { convolution + pixel shuffle, attended features of the base } x levels -> head -> residual

They work on any base that has a pyramid of features, which is all they ask of it.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.models.base import CellWindow, Drawing, PlaneTensors, PyramidField, lerp_rows
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.planes import unpack
from nvcodec.models.precision import in_float32
from nvcodec.models.pyramid import Pyramid, head_channels


class Below(Protocol):
    """The finished layers a pack is fitted on. Nothing in them is trained."""

    def pyramid(self, frames: Tensor) -> list[Tensor]:
        """Features of the base for frames int64 [B], best on the CPU, coarse to fine, float32 [B, h, w, C]."""

    def planes(self, frames: Tensor) -> PlaneTensors:
        """What the layers below draw, float32 [B, rows, columns], cropped and not clamped."""


class EEN(PyramidField):
    """One enhancement layer of one segment, on top of the layers below.

    Source: QS-NeRV section 3.3, extensible enhancement network. Where the paper is silent: features enter by a 1x1
    convolution and a sum, and the head is linear, so that a fresh pack changes nothing. Its multi-branch convolutions
    are a fit's, see :class:`nvcodec.models.qsnerv.QSNeRV`. Attention by a single kernel is ours, and so is the own
    grid: with weights alone, a pack can tell frames apart only as far as the base does.
    """

    def __init__(self, config: EENConfig, geometry: FieldGeometry, base: Pyramid, below: Below) -> None:
        super().__init__()
        self.config, self.geometry, self.below = config, geometry, below
        self.shuffle, self.scale = base.shuffle, base.scale
        start = base.levels[0]
        self.specs = config.tensor_specs(geometry, base)
        self.branched = [f"blocks.{block}.conv" for block in range(len(config.channels))]
        self.grid: nn.Parameter | None = None
        if config.grid_channels:
            self.grid = nn.Parameter(torch.empty(self.specs[0].shape).uniform_(-1e-3, 1e-3))
        incoming = start.channels + config.grid_channels
        self.blocks = nn.ModuleList()
        for stride, kernel, outgoing, level in zip(
            base.strides, config.kernels, config.channels, base.levels[1:], strict=True
        ):
            self.blocks.append(EnhancementBlock(incoming, outgoing, stride, kernel, level.channels, config.multi_scale))
            incoming = outgoing
        self.head = nn.Conv2d(incoming, head_channels(base.shuffle, geometry.chroma), 3, padding=1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def features(self, frames: Tensor, window: CellWindow | None = None, levels: int | None = None) -> list[Tensor]:
        """See :meth:`PyramidField.features`. Packs are drawn whole."""
        assert window is None
        last = self.geometry.frames - 1
        before, now, after = (
            self.below.pyramid(near) for near in ((frames - 1).clamp(min=0), frames, (frames + 1).clamp(max=last))
        )
        x = now[0]
        if self.grid is not None:
            nodes = self.grid.shape[0]
            rows = lerp_rows(frames.to(self.grid.device, non_blocking=True), self.geometry.frames, nodes)
            with in_float32(rows):
                own = (rows @ self.grid.reshape(nodes, -1)).view(-1, *self.grid.shape[1:])
            x = torch.cat([x, own], dim=-1)
        pyramid = [x]
        for level, block in enumerate(self.blocks, 1):
            if len(pyramid) == levels:
                break
            x = block(x, before[level], now[level], after[level])
            pyramid.append(x)
        return pyramid

    def draw(self, finest: Tensor) -> PlaneTensors:
        """The residual; see :meth:`PyramidField.draw`."""
        packed = self.head(finest.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return unpack(packed, self.shuffle, self.geometry.chroma)

    def forward(self, frames: Tensor, window: CellWindow | None = None) -> Drawing:
        """The layers below plus the residual; see :meth:`VideoField.forward`."""
        residual, features = super().forward(frames, window)
        return Drawing(tuple(a + b for a, b in zip(self.below.planes(frames), residual, strict=True)), features)

    def residual(self, frames: Tensor) -> PlaneTensors:
        """What this layer alone adds, float32 [B, rows, columns]."""
        return super().forward(frames).planes


class EnhancementBlock(nn.Module):
    """From one level of the base's pyramid to the next."""

    def __init__(
        self, incoming: int, outgoing: int, stride: int, kernel: int, features: int, multi_scale: bool
    ) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(incoming, outgoing * stride**2, kernel, padding=kernel // 2)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        reach = (9 * features) ** -0.5
        self.squeeze = nn.Parameter(torch.empty(3, features, 3, 3).uniform_(-reach, reach))
        self.attend: Attention | None = None
        if multi_scale:
            self.attend = Attention()
        else:  # one kernel: what the paper's four amount to away from the borders of the picture
            self.attention = nn.Parameter(torch.zeros(1, 1, 7, 7))
            with torch.no_grad():
                self.attention[..., 3, 3] = 1
            self.attention_bias = nn.Parameter(torch.zeros(1))
        self.project = nn.Parameter(torch.zeros(outgoing, features))

    def forward(self, x: Tensor, before: Tensor, now: Tensor, after: Tensor) -> Tensor:
        """[B, h, w, incoming] and the base's features of three frames, [B, s*h, s*w, C] -> [B, s*h, s*w, outgoing]."""
        y = F.gelu(F.pixel_shuffle(self.conv(x.permute(0, 3, 1, 2)), self.stride))
        three = torch.cat([before, now, after], dim=-1).permute(0, 3, 1, 2)
        squeezed = F.conv2d(three, self.squeeze.flatten(0, 1).unsqueeze(0), padding=1)  # one map of all three
        if self.attend is None:
            attention = F.conv2d(squeezed, self.attention, self.attention_bias, padding=3)
        else:
            attention = self.attend(squeezed)
        mask = torch.sigmoid(attention)
        attended = mask.permute(0, 2, 3, 1) * now
        return y.permute(0, 2, 3, 1) + F.linear(attended, self.project)


class Attention(nn.Module):
    """The paper's: C3([C1(h), C3(h), C5(h)]), each with a bias, and one for h (QS-NeRV section 3.3)."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.three, self.five = (nn.Parameter(_kernel(1, side)) for side in (1, 3, 5))
        self.join = nn.Parameter(_kernel(3, 3))
        self.biases = nn.Parameter(torch.zeros(5))
        """Of h, of the three convolutions, and of the one that joins them."""

    def forward(self, squeezed: Tensor) -> Tensor:
        """What the sigmoid takes, from the squeezed features; both [B, 1, h, w]."""
        h = squeezed + self.biases[0]
        kernels = (self.one, self.three, self.five)
        scales = [F.conv2d(h, kernel, padding=kernel.shape[-1] // 2) for kernel in kernels]
        side_by_side = torch.cat(scales, dim=1) + self.biases[1:4].view(1, 3, 1, 1)
        return F.conv2d(side_by_side, self.join, self.biases[4:], padding=1)


def _kernel(incoming: int, side: int) -> Tensor:
    reach = (incoming * side**2) ** -0.5
    return torch.empty(1, incoming, side, side).uniform_(-reach, reach)
