"""Groups of pictures inside a field: which frame belongs to which, and parameters that differ between them.

Source: TeNeRV (Zhu et al.) section III-B, "GoP-adaptive modulation".
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.models.base import PyramidField


class Groups(nn.Module):
    """Looks up the group of pictures of a frame.

    Args:
        frames: Frames of the segment.
        gops: First frame of each group.
    """

    apart: bool
    """False in the first stage of a fit, when all frames share what groups will have for themselves."""

    def __init__(self, frames: int, gops: tuple[int, ...]) -> None:
        super().__init__()
        self.apart = True
        self.of_frame: Tensor
        self.register_buffer("of_frame", torch.zeros(frames, dtype=torch.int64), persistent=False)
        self.start_at(gops)

    def start_at(self, gops: tuple[int, ...]) -> None:
        """Regroup the frames."""
        every = torch.arange(len(self.of_frame))
        numbers = torch.searchsorted(torch.tensor(gops), every, right=True) - 1
        self.of_frame.copy_(numbers, non_blocking=True)  # in place: a recorded step goes on reading there

    def forward(self, frames: Tensor) -> Tensor | None:
        """Frames or times [B] -> the group of each, int64 [B]; None while groups are not apart."""
        return self.of_frame[frames.long()] if self.apart else None


class DepthwiseKernel(nn.Module):
    """A depthwise convolution, zero padded, whose kernel may differ between groups of pictures.

    Stored is a kernel that all groups share and each group's difference from it: where groups do not differ, the
    differences round to zeros, which cost next to nothing.

    Args:
        channels: In and out.
        size: Side of the kernel, odd.
        gops: Groups that have a difference; 0 = one kernel for all.
    """

    def __init__(self, channels: int, size: int, gops: int) -> None:
        super().__init__()
        bound = 1 / size  # PyTorch's default range for this fan-in
        self.shared = nn.Parameter(torch.empty(channels, 1, size, size).uniform_(-bound, bound))
        self.deltas = nn.Parameter(torch.zeros(gops, channels, 1, size, size)) if gops else None

    def forward(self, x: Tensor, gops: Tensor | None) -> Tensor:
        """Convolve x, float [B, h, w, C], whose frames belong to groups int64 [B]; None: to all of them."""
        batch, rows, columns, channels = x.shape
        planes, padding = x.permute(0, 3, 1, 2), self.shared.shape[-1] // 2
        kernel: Tensor = self.shared
        if self.deltas is not None and gops is not None:
            if batch > 1 and not self._alike(gops):
                # frames as channels of one picture, each with the kernels of its group
                kernels = (kernel + self.deltas[gops]).flatten(0, 1)
                wide = planes.reshape(1, batch * channels, rows, columns)
                mixed = F.conv2d(wide, kernels, padding=padding, groups=batch * channels)
                return mixed.view(batch, channels, rows, columns).permute(0, 2, 3, 1)
            kernel = kernel + self.deltas[gops[:1]].squeeze(0)
        return F.conv2d(planes, kernel, padding=padding, groups=channels).permute(0, 2, 3, 1)

    def _alike(self, gops: Tensor) -> bool:
        """Whether a batch lies within one group, as those of a decoder do. A fit does not stop a GPU to find out."""
        return not self.training and bool((gops == gops[0]).all())


class GroupedField(PyramidField):
    """A field that may have parameters of its own for each group of pictures."""

    groups: Groups

    @abstractmethod
    def temporal_features(self, frames: Tensor) -> Tensor:
        """What tells frames int64 [B] from each other, groups left out of account: float [B, n]."""

    @abstractmethod
    def heirs(self) -> Mapping[str, str]:
        """Parameters that a group of pictures has for itself, by name, and those that all share in their place."""

    @abstractmethod
    def regroup(self, gops: tuple[int, ...]) -> None:
        """Draw with other groups of pictures from now on, as many as before.

        Args:
            gops: First frame of each.
        """
