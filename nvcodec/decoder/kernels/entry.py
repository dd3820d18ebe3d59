"""What blocks of MSNeRV begin with, drawn by one kernel: norm, bilinear upsampling and local encoding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nvcodec.models.msnerv import Block

LIKELY_VALUES = (2048, 1024)
"""Values of each of four neighbours, in one program: many in a thread, or many programs under way at once."""
_WARPS = 4


@dataclass(frozen=True)
class EntryPlan:
    """All that a kernel is compiled for."""

    channels: int
    stride: int
    encoded: bool
    """Whether there is a local encoding."""
    values: int
    """Of one neighbour, in one program; a power of two."""

    @property
    def gaps(self) -> int:
        """Between four neighbours, in one program; a power of two."""
        return max(1, self.values // self.padded)

    @property
    def padded(self) -> int:
        """Places for channels: a power of two."""
        return 1 << (self.channels - 1).bit_length()


class EntryKernel:
    """Draws what :meth:`Block.enter` does.

    Args:
        block: Of bilinear upsampling alone.
        values: One of :data:`LIKELY_VALUES`.
    """

    def __init__(self, block: Block, values: int) -> None:
        assert block.upsample.kernel is None and block.upsample.bilinear
        self._local = block.local
        self.plan = EntryPlan(block.incoming, block.upsample.stride, block.local is not None, values)

    def fits(self, x: Tensor) -> bool:
        """Whether the kernel can draw from these features: places within a picture are counted in 31 bits."""
        places = (x.shape[1] + 1) * (x.shape[2] + 1) + self.plan.gaps
        return x.dtype == torch.float32 and places * self.plan.stride**2 * self.plan.padded < 1 << 31

    def __call__(self, x: Tensor, frames: Tensor) -> Tensor:
        """float32 [B, h, w, C], frames or times [B] -> float32 [B, s*h, s*w, C]."""
        from nvcodec.decoder.kernels.entry_source import entry_kernel

        batch, rows, columns, channels = x.shape
        stride = self.plan.stride
        x = x.contiguous()
        cells = x if self._local is None else self._local.cell(frames).contiguous()
        result = x.new_empty(batch, rows * stride, columns * stride, channels)
        programs = batch * -(-(rows + 1) * (columns + 1) // self.plan.gaps)
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]  # Triton takes the current one
            entry_kernel[(programs,)](x, result, cells, rows, columns, self.plan, num_warps=_WARPS)
        return result


class FusedBlock(nn.Module):
    """Stands for a block where a kernel draws what it begins with, with the block's parameters by their names.

    Args:
        block: In evaluation mode, with the parameters it will be drawn with, on a GPU.
        drawn: Its kernel.
    """

    def __init__(self, block: Block, drawn: EntryKernel) -> None:
        super().__init__()
        self.upsample, self.local, self.layers = block.upsample, block.local, block.layers
        self.cross_depth = block.cross_depth
        self._eager = (block,)  # in a tuple, since its parameters must not be there twice
        self._drawn = drawn
        self.train(block.training)

    def forward(self, x: Tensor, frames: Tensor, gops: Tensor | None) -> Tensor:
        """See the block's."""
        block = self._eager[0]
        kernel = self._drawn.fits(x) and not torch.is_grad_enabled()
        return block.refine(self._drawn(x, frames) if kernel else block.enter(x, frames), gops)
