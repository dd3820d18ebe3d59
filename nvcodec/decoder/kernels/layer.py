"""Layers of MSNeRV drawn by one kernel each, instead of by ten that send every value to memory and back.

Products are made of halves in bf16: (a + b)(c + d) without the smallest term keeps 16 bits of the mantissa, and the
tensor cores of a GPU take three such products in less time than its other units take for one in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from nvcodec.models.gops import DepthwiseKernel
from nvcodec.models.msnerv import ConvNeXtLayer, FusionLayer

Precision = Literal["bf16x3", "tf32x3", "tf32", "ieee"]
"""How products are made: three of bf16 halves, three of TF32 halves, one of TF32, or one in float32."""
Skip = Literal["none", "input", "convolved"]
"""What the MLP's result is added to: nothing, the layer's input, or the convolution's output."""

_HIDDEN_UNIT = 128
"""Hidden units are padded to multiples of the largest block of them that a kernel takes at once."""


@dataclass(frozen=True)
class Blocks:
    """How a kernel cuts its work."""

    pixels: int
    """Of a tile; a power of two, at least 64 where tensor cores are to be kept busy."""
    units: int
    """Hidden units at once; a power of two of 16 to 128."""
    warps: int
    """Of 32 threads, for each tile."""
    stages: int
    """Blocks of weights under way at once, the one worked on included."""
    tile_width: int = 16
    """Pixels of a tile beside each other; a power of two."""
    registers: int | None = None
    """A thread has at most this many, so that more tiles are under way at once; None = as many as it likes."""


@dataclass(frozen=True)
class Plan:
    """All that a kernel is compiled for."""

    channels: int
    outgoing: int
    hidden: int
    side: int
    """Of the depthwise kernel."""
    skip: Skip
    grouped: bool
    """Whether groups of pictures have depthwise kernels of their own."""
    precision: Precision
    pixels: int
    units: int
    tile_width: int

    @property
    def main(self) -> int:
        """Channels in the main part."""
        return parts(self.channels)[0]

    @property
    def tail(self) -> int:
        """Places in the part behind it; 0 = there is none."""
        return parts(self.channels)[1]

    @property
    def out_main(self) -> int:
        """As :attr:`main`, of what comes out."""
        return parts(self.outgoing)[0]

    @property
    def out_tail(self) -> int:
        """As :attr:`tail`, of what comes out."""
        return parts(self.outgoing)[1]

    @property
    def channels_padded(self) -> int:
        """Places for channels."""
        return self.main + self.tail

    @property
    def outgoing_padded(self) -> int:
        """Places for channels that come out."""
        return self.out_main + self.out_tail

    @property
    def hidden_padded(self) -> int:
        """Places for hidden units."""
        return -(-self.hidden // _HIDDEN_UNIT) * _HIDDEN_UNIT

    @property
    def split(self) -> bool:
        """Whether weights are stored as halves."""
        return self.precision == "bf16x3"

    @property
    def unit_stride(self) -> int:
        """Elements from one hidden unit to the next in ``project``. Cores take TF32 only with units side by side."""
        return self.outgoing_padded if self.split else 1

    @property
    def out_stride(self) -> int:
        """Elements from one channel to the next in ``project``."""
        return 1 if self.split else self.hidden_padded

    @property
    def expand_low(self) -> int:
        """Elements from the high halves of ``expand`` to the low ones."""
        return self.hidden_padded * self.channels_padded

    @property
    def project_low(self) -> int:
        """Elements from the high halves of ``project`` to the low ones."""
        return self.hidden_padded * self.outgoing_padded


def parts(channels: int) -> tuple[int, int]:
    """Cut channels into two blocks, powers of two of at least 16: 34 are 32 and 16; the second may be 0."""
    main = max(16, 1 << (channels.bit_length() - 1))
    rest = channels - main
    return main, max(16, 1 << (rest - 1).bit_length()) if rest > 0 else 0


def likely_blocks(channels: int, outgoing: int) -> list[Blocks]:
    """Blocks of which one is the quickest on most GPUs, the one for 227 KiB of shared memory for a tile first."""
    wide = max(channels, outgoing)
    if wide <= 48:
        usual = Blocks(pixels=64, units=32, warps=4, stages=2, registers=128)  # four tiles at once
        return [usual, replace(usual, registers=168), replace(usual, pixels=128, units=64, warps=8, registers=None)]
    if wide <= 96:
        usual = Blocks(pixels=64, units=32, warps=4, stages=2, registers=168)  # three
        return [usual, replace(usual, registers=None), replace(usual, pixels=128, units=64, warps=8, registers=None)]
    if wide <= 160:
        usual = Blocks(pixels=128, units=32, warps=8, stages=2)
        return [usual, replace(usual, pixels=64), replace(usual, units=16)]
    if wide <= 320:
        usual = Blocks(pixels=64, units=32, warps=8, stages=2)
        return [usual, replace(usual, units=16), replace(usual, units=16, stages=1)]
    return [Blocks(pixels=64, units=16, warps=8, stages=1)]


class LayerKernel:
    """The weights of one layer as the kernel takes them.

    Args:
        layer: What is drawn; its parameters are copied, and must not change afterwards.
        precision: How products are made.
        blocks: How work is cut; None = the first of the likely ones.
    """

    def __init__(
        self, layer: ConvNeXtLayer | FusionLayer, precision: Precision = "bf16x3", blocks: Blocks | None = None
    ) -> None:
        shared = layer.kernel.shared.detach()  # [C, 1, K, K]
        hidden, channels = layer.expand.shape
        outgoing = layer.project.shape[0]
        self.blocks = blocks or likely_blocks(channels, outgoing)[0]
        skip: Skip
        if isinstance(layer, ConvNeXtLayer):
            skip = "input" if layer.skip else "none"
        else:
            skip = "input" if layer.sliced_input else "convolved"
        self.plan = plan = Plan(
            channels, outgoing, hidden, shared.shape[-1], skip, layer.kernel.deltas is not None, precision,
            self.blocks.pixels, self.blocks.units, self.blocks.tile_width,
        )  # fmt: skip
        self._expand = self._stored(layer.expand, (plan.hidden_padded, plan.channels_padded))
        if plan.split:
            self._project = self._stored(layer.project.T, (plan.hidden_padded, plan.outgoing_padded))
        else:
            self._project = self._stored(layer.project, (plan.outgoing_padded, plan.hidden_padded))
        kernels = shared[None]
        if layer.kernel.deltas is not None:
            kernels = torch.cat([shared[None] + layer.kernel.deltas.detach(), kernels])
        taps = kernels.flatten(3).squeeze(2).transpose(1, 2)  # [G, K * K, C]; the last is that of no group
        self._taps = _padded(taps, (taps.shape[1], plan.channels_padded))
        self._nobodys = torch.full((1,), len(taps) - 1, device=taps.device)

    def _stored(self, matrix: Tensor, shape: tuple[int, int]) -> Tensor:
        full = _padded(matrix.detach(), shape)
        if not self.plan.split:
            return full
        high = full.bfloat16()
        return torch.stack([high, (full - high.float()).bfloat16()])

    def fits(self, x: Tensor) -> bool:
        """Whether the kernel can draw from these features: places within a picture are counted in 31 bits."""
        most = max(self.plan.channels_padded, self.plan.outgoing_padded)
        return x.dtype == torch.float32 and (x.shape[1] + 64) * (x.shape[2] + 64) * most < 1 << 31

    def __call__(self, x: Tensor, gops: Tensor | None) -> Tensor:
        """float32 [B, h, w, incoming], groups of pictures int64 [B] or None -> float32 [B, h, w, outgoing]."""
        from nvcodec.decoder.kernels.layer_source import layer_kernel

        batch, rows, columns, _ = x.shape
        plan, blocks = self.plan, self.blocks
        if gops is None or not plan.grouped:
            gops = self._nobodys.expand(batch).contiguous() if plan.grouped else self._nobodys
        result = x.new_empty(batch, rows, columns, plan.outgoing)
        tile_rows = plan.pixels // plan.tile_width
        tiles = batch * -(-rows // tile_rows) * -(-columns // plan.tile_width)
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]  # Triton takes the current one
            layer_kernel[(tiles,)](
                x.contiguous(), result, self._taps, gops, self._expand, self._project, rows, columns, plan,
                num_warps=blocks.warps, num_stages=blocks.stages, maxnreg=blocks.registers,
            )  # fmt: skip
        return result


class FusedLayer(nn.Module):
    """Stands for a layer where it is drawn by one kernel, with the layer's parameters by their names.

    Args:
        layer: In evaluation mode, with the parameters it will be drawn with, on a GPU.
        drawn: Its kernel.
    """

    def __init__(self, layer: ConvNeXtLayer | FusionLayer, drawn: LayerKernel) -> None:
        super().__init__()
        self.kernel: DepthwiseKernel = layer.kernel
        self.expand, self.project = layer.expand, layer.project
        self._eager = (layer,)  # in a tuple, since its parameters must not be there twice
        self._drawn = drawn
        self.train(layer.training)

    def forward(self, x: Tensor, gops: Tensor | None) -> Tensor:
        """See the layer's."""
        if self._drawn.fits(x) and not torch.is_grad_enabled():
            return self._drawn(x, gops)
        result: Tensor = self._eager[0](x, gops)
        return result


def _padded(values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Zeros behind the last two axes, up to a shape."""
    full = values.new_zeros(*values.shape[:-2], *shape)
    full[..., : values.shape[-2], : values.shape[-1]] = values
    return full
