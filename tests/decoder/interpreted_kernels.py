"""Kernels for layers, run by Triton's interpreter on a CPU: started by a test, with TRITON_INTERPRET=1."""

from __future__ import annotations

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter

from nvcodec.decoder.kernels.fuse import trouble
from nvcodec.decoder.kernels.layer import Blocks, LayerKernel
from nvcodec.models.msnerv import ConvNeXtLayer, FusionLayer

CASES = [
    (ConvNeXtLayer, 34, 34, 4, 0, "bf16x3", Blocks(64, 32, 4, 2)),
    (ConvNeXtLayer, 68, 34, 3, 2, "tf32x3", Blocks(128, 64, 4, 1)),
    (ConvNeXtLayer, 136, 136, 1, 3, "bf16x3", Blocks(128, 128, 8, 2)),
    (ConvNeXtLayer, 12, 5, 4, 0, "bf16x3", Blocks(64, 16, 4, 1, tile_width=32)),
    (FusionLayer, 34, 34, 2, 2, "bf16x3", Blocks(128, 32, 4, 2)),
    (FusionLayer, 90, 34, 2, 0, "ieee", Blocks(128, 128, 4, 1)),
]
_dot = interpreter.InterpreterBuilder.create_dot


def _dot_of_values(self, a, b, *rest):
    """The interpreter holds bf16 as the integers of its bits, and multiplies those."""
    return _dot(self, *(_float(values) if values.dtype == tl.bfloat16 else values for values in (a, b)), *rest)


def _float(values):
    return interpreter.TensorHandle((values.data.astype(np.uint32) << 16).view(np.float32), tl.float32)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    interpreter.InterpreterBuilder.create_dot = _dot_of_values
    for kind, incoming, outgoing, expansion, gops, precision, blocks in CASES:
        layer = kind(incoming, outgoing, expansion, gops).eval().requires_grad_(False)
        if layer.kernel.deltas is not None:
            layer.kernel.deltas.normal_()
        problem = trouble(layer, LayerKernel(layer, precision, blocks))
        assert problem is None, (kind, incoming, outgoing, expansion, gops, precision, blocks, problem)
