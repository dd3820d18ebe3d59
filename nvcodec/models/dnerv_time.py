"""How the frames of a clip see each other in D-NeRV: three ways, one behind every block.

All take and give [T, h, w, C], add to what they are given, and start as nothing being added.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.models.dnerv_config import DNeRVConfig, Mixing
from nvcodec.models.precision import in_float32, widened


def mixing_of(config: DNeRVConfig, channels: int) -> nn.Module | None:
    """What mixes frames of ``channels`` channels; None: nothing."""
    if not config.temporal:
        return None
    if config.mixing is Mixing.ATTENTION:
        return TemporalAttention(channels)
    return (
        TemporalConvolution(channels, config.taps)
        if config.mixing is Mixing.CONVOLUTION
        else TemporalMLP(channels, config.clip)
    )


class TemporalMLP(nn.Module):
    """Every channel mixes the frames of a clip by a matrix of its own.

    Source: D-NeRV section 3.2, equation 8. The bias is the released code's.
    """

    def __init__(self, channels: int, clip: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, clip, clip))
        self.bias = nn.Parameter(torch.zeros(channels, clip))

    def forward(self, x: Tensor) -> Tensor:
        """[T, h, w, C] -> the same shape."""
        mixed = torch.einsum("thwc,cut->uhwc", x, self.weight)
        return x + mixed + self.bias.T[:, None, None]


class TemporalConvolution(nn.Module):
    """Every channel sees the frames around each one through a kernel of its own; beyond the clip there is nothing.

    Source: "DWConv" of D-NeRV Table 4, depth-wise temporal convolution, of which the paper says no more.
    """

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, taps))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[T, h, w, C] -> the same shape."""
        frames, rows, columns, channels = x.shape
        lines = x.permute(1, 2, 3, 0).reshape(rows * columns, channels, frames)
        mixed = F.conv1d(lines, self.weight.unsqueeze(1), self.bias, padding=self.weight.shape[1] // 2, groups=channels)
        return x + mixed.view(rows, columns, channels, frames).permute(3, 0, 1, 2)


class TemporalAttention(nn.Module):
    """At every place for itself, each frame of a clip takes from all that are like it.

    Source: "Attention" of D-NeRV Table 4, of which the paper only names its model: scaled dot products (Vaswani et al.,
    2017), here with one head as wide as the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """[T, h, w, C] -> the same shape."""
        asked, offered, given = self.into(x).chunk(3, dim=-1)
        likeness = torch.einsum("thwc,uhwc->hwtu", asked, offered) / math.sqrt(x.shape[-1])
        with in_float32(likeness):
            shares = widened(likeness).softmax(dim=-1)
        taken = torch.einsum("hwtu,uhwc->thwc", shares.to(given.dtype), given)
        mixed: Tensor = self.out(taken)
        return x + mixed
