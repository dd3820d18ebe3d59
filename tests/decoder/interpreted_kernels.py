"""Kernels of the decoder, run by Triton's interpreter on a CPU: started by a test, with TRITON_INTERPRET=1."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter

from nvcodec.decoder.kernels import fuse
from nvcodec.decoder.kernels.candidates import Part, parts_of
from nvcodec.decoder.kernels.layer import Blocks, LayerKernel
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import Block, Conv3x3, ConvNeXtLayer, FusionLayer
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig, Upsampling
from nvcodec.types import ChromaFormat

LAYERS = [
    (ConvNeXtLayer, 34, 34, 4, 0, "bf16x3", Blocks(64, 32, 4, 2)),
    (ConvNeXtLayer, 68, 34, 3, 2, "tf32x3", Blocks(128, 64, 4, 1)),
    (ConvNeXtLayer, 136, 136, 1, 3, "bf16x3", Blocks(128, 128, 8, 2)),
    (ConvNeXtLayer, 12, 5, 4, 0, "bf16x3", Blocks(64, 16, 4, 1, tile_width=32)),
    (FusionLayer, 34, 34, 2, 2, "bf16x3", Blocks(128, 32, 4, 2)),
    (FusionLayer, 90, 34, 2, 0, "ieee", Blocks(128, 128, 4, 1)),
    (partial(FusionLayer, sliced_input=True), 44, 18, 2, 0, "bf16x3", Blocks(64, 32, 4, 2)),
]
ENTRIES = [(34, 2, 2), (12, 1, 1), (140, 3, 0)]
"""Channels, stride, and levels of the local encoding."""
HEADS = [(34, 3), (5, 7)]
_dot = interpreter.InterpreterBuilder.create_dot


def _dot_of_values(self, a, b, *rest):
    """The interpreter holds bf16 as the integers of its bits, and multiplies those."""
    return _dot(self, *(_float(values) if values.dtype == tl.bfloat16 else values for values in (a, b)), *rest)


def _float(values):
    return interpreter.TensorHandle((values.data.astype(np.uint32) << 16).view(np.float32), tl.float32)


def _part(module) -> Part:
    """What is drawn of one module, without parts within it."""
    return next(part for part in parts_of(torch.nn.ModuleList([module])) if part.name == "0")


def _block(channels: int, stride: int, levels: int) -> Block:
    geometry = FieldGeometry(6, 16 * stride, 16 * stride, ChromaFormat.YUV420, (0,))
    config = MSNeRVConfig(
        (stride,), (4,), (1,), (1,), (GridLevel(2, 1, 2),), upsampling=Upsampling.BILINEAR, local_levels=levels
    )
    block = Block(config, 0, channels, 4, geometry)
    for grid in [] if block.local is None else block.local.grids:
        torch.nn.init.normal_(grid)
    return block


def _check(part: Part, kernels: list, case: object) -> None:
    for kernel in kernels:
        problem = fuse.trouble(part, kernel)
        assert problem is None, (case, kernel.plan, problem)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    interpreter.InterpreterBuilder.create_dot = _dot_of_values
    for kind, incoming, outgoing, expansion, gops, precision, blocks in LAYERS:
        layer = kind(incoming, outgoing, expansion, gops).eval().requires_grad_(False)
        if layer.kernel.deltas is not None:
            layer.kernel.deltas.normal_()
        _check(_part(layer), [LayerKernel(layer, precision, blocks)], layer)
    fuse._MOST_APART = 3e-6  # these count in float32 throughout
    for module in [*(_block(*case) for case in ENTRIES), *(Conv3x3(*case) for case in HEADS)]:
        part = _part(module.eval().requires_grad_(False))
        _check(part, part.kernels[:1], module)
