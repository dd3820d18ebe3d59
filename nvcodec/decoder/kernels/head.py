"""Dense 3x3 convolutions to a few channels, as that at the end of MSNeRV, drawn by one kernel in float32."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nvcodec.models.msnerv import Conv3x3

MOST_OUTGOING = 16
"""With more channels the plain units of a GPU take longer than memory does."""


@dataclass(frozen=True)
class HeadPlan:
    """All that a kernel is compiled for."""

    channels: int
    outgoing: int
    pixels: int
    """Of a tile; a power of two."""
    tile_width: int = 16
    """Pixels of a tile beside each other; a power of two."""
    width: int = 16
    """Channels at once; a power of two."""

    @property
    def padded(self) -> int:
        """Places for channels."""
        return -(-self.channels // self.width) * self.width


def likely_cuts(outgoing: int) -> list[tuple[int, int]]:
    """Pixels of a tile, and warps of 32 threads for it: cuts of the work of which one is the quickest.

    A thread holds sums for every outgoing channel, so that with more of them fewer pixels are its own.
    """
    pixels = 32 if outgoing <= 4 else 16 if outgoing <= 8 else 8  # of a warp
    return [(4 * pixels, 4), (8 * pixels, 8), (2 * pixels, 4)]


class HeadKernel:
    """The weights of a convolution as the kernel takes them.

    Args:
        convolution: What is drawn, to at most :data:`MOST_OUTGOING` channels; its parameters are copied, and must not
            change afterwards.
        cut: As :func:`likely_cuts` has them.
    """

    def __init__(self, convolution: Conv3x3, cut: tuple[int, int]) -> None:
        weight = convolution.weight.detach()  # [outgoing, channels, 3, 3]
        outgoing, channels = weight.shape[:2]
        pixels, self._warps = cut
        self.plan = HeadPlan(channels, outgoing, pixels)
        self._taps = weight.new_zeros(9, outgoing, self.plan.padded)
        self._taps[..., :channels] = weight.flatten(2).permute(2, 0, 1)
        self._bias = convolution.bias.detach().clone()

    def fits(self, x: Tensor) -> bool:
        """Whether the kernel can draw from these features: places within a picture are counted in 31 bits."""
        most = max(self.plan.padded, self.plan.outgoing)
        return x.dtype == torch.float32 and (x.shape[1] + 64) * (x.shape[2] + 64) * most < 1 << 31

    def __call__(self, x: Tensor) -> Tensor:
        """float32 [B, h, w, incoming] -> float32 [B, h, w, outgoing]."""
        from nvcodec.decoder.kernels.head_source import head_kernel

        batch, rows, columns, _ = x.shape
        plan = self.plan
        result = x.new_empty(batch, rows, columns, plan.outgoing)
        tiles = batch * -(-rows // (plan.pixels // plan.tile_width)) * -(-columns // plan.tile_width)
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]  # Triton takes the current one
            head_kernel[(tiles,)](
                x.contiguous(), result, self._taps, self._bias, rows, columns, plan, num_warps=self._warps
            )
        return result


class FusedHead(nn.Module):
    """Stands for a convolution where it is drawn by the kernel, with the convolution's parameters by their names.

    Args:
        convolution: In evaluation mode, with the parameters it will be drawn with, on a GPU.
        drawn: Its kernel.
    """

    def __init__(self, convolution: Conv3x3, drawn: HeadKernel) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self._eager = (convolution,)  # in a tuple, since its parameters must not be there twice
        self._drawn = drawn
        self.train(convolution.training)

    def forward(self, x: Tensor) -> Tensor:
        """See the convolution's."""
        if self._drawn.fits(x) and not torch.is_grad_enabled():
            return self._drawn(x)
        result: Tensor = self._eager[0](x)
        return result
