"""What kernels can draw of a field, and the kernels that come into question for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nvcodec.decoder.kernels.entry import LIKELY_VALUES, EntryKernel, FusedBlock
from nvcodec.decoder.kernels.head import MOST_OUTGOING, FusedHead, HeadKernel, likely_cuts
from nvcodec.decoder.kernels.layer import FusedLayer, LayerKernel, likely_blocks
from nvcodec.models.msnerv import Block, Conv3x3, ConvNeXtLayer, FusionLayer


class Kernel(Protocol):
    """Draws something of a field."""

    @property
    def plan(self) -> Hashable:
        """What it is compiled for."""

    def __call__(self, x: Tensor, *beside: Any) -> Tensor:
        """Features float32 [B, h, w, C], and what is given beside them, to other features."""


@dataclass(frozen=True)
class Part:
    """What a kernel can draw."""

    parent: nn.Module
    """Where it is."""
    name: str
    """As what it is there."""
    draw: Callable[..., Tensor]
    """What it is drawn by without kernels, called as they are."""
    device: torch.device
    channels: int
    """Of the features."""
    growth: int
    """Values that become of one, roughly, while it is drawn without a kernel."""
    beside: Callable[[int], tuple[Any, ...]]
    """What may be given beside the features of so many pictures."""
    kernels: list[Any]
    """All of them :class:`Kernel`, the most likely one first."""
    stand_in: Callable[[Any], nn.Module]
    """What stands in its place and has a kernel draw."""

    @property
    def key(self) -> Hashable:
        """Equal where the same kernel is the best."""
        plan: Hashable = self.kernels[0].plan
        return plan

    def put(self, kernel: Kernel) -> None:
        """Have a kernel draw it from now on."""
        setattr(self.parent, self.name, self.stand_in(kernel))


def parts_of(field: nn.Module) -> list[Part]:
    """All that kernels could draw of a field that is in evaluation mode."""
    return list(_parts_of(field))


def _parts_of(field: nn.Module) -> Iterator[Part]:
    for parent in list(field.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (ConvNeXtLayer, FusionLayer)):
                yield _layer(parent, name, child)
            elif isinstance(child, Block) and child.upsample.bilinear and child.upsample.kernel is None:
                yield _entry(parent, name, child)
            elif isinstance(child, Conv3x3) and len(child.bias) <= MOST_OUTGOING:
                yield _head(parent, name, child)


def _layer(parent: nn.Module, name: str, layer: ConvNeXtLayer | FusionLayer) -> Part:
    deltas, device = layer.kernel.deltas, layer.expand.device
    hidden, channels = layer.expand.shape

    def beside(pictures: int) -> tuple[Tensor | None]:
        return (None if deltas is None else torch.arange(pictures, device=device) % len(deltas),)

    kernels = [LayerKernel(layer, blocks=blocks) for blocks in likely_blocks(channels, layer.project.shape[0])]
    growth = -(-hidden // channels)
    return Part(
        parent, name, layer, device, channels, growth, beside, kernels, lambda kernel: FusedLayer(layer, kernel)
    )


def _entry(parent: nn.Module, name: str, block: Block) -> Part:
    device = next(block.parameters()).device
    frames = 1 if block.local is None else block.local.frames

    def beside(pictures: int) -> tuple[Tensor]:
        return (torch.arange(pictures, device=device) % frames,)

    kernels = [EntryKernel(block, values) for values in LIKELY_VALUES]
    growth = block.upsample.stride**2
    return Part(
        parent, name, block.enter, device, block.incoming, growth, beside, kernels,
        lambda kernel: FusedBlock(block, kernel),
    )  # fmt: skip


def _head(parent: nn.Module, name: str, convolution: Conv3x3) -> Part:
    outgoing, channels = convolution.weight.shape[:2]
    kernels = [HeadKernel(convolution, cut) for cut in likely_cuts(outgoing)]
    return Part(
        parent, name, convolution, convolution.bias.device, channels, 1, lambda pictures: (), kernels,
        lambda kernel: FusedHead(convolution, kernel),
    )  # fmt: skip
