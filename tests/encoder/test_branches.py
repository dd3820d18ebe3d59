"""Convolutions fitted as several side by side: what the file's kernel is of theirs, and how they learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.encoder.fit.branches import Branches
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.models.qsnerv_config import QSNeRVConfig, Skip
from nvcodec.types import ChromaFormat

CONFIG = QSNeRVConfig((2, 2, 1), (1, 3, 5), 4, (3, 3, 2), embedding=2, skip=Skip.NONE, levels=0)
CLIP = FieldGeometry(3, 8, 12, ChromaFormat.RGB)


def _field(config: QSNeRVConfig = CONFIG) -> FlatField:
    torch.manual_seed(0)
    return FlatField(QSNeRV(config, CLIP))


def _parts(flat: FlatField, branches: Branches, block: int) -> list[tuple[Tensor, Tensor]]:
    """Kernel and bias of each convolution of a block, the largest last: what the others leave of the vector."""
    named = flat.split(flat.vector.detach().clone())
    weight, bias = named[f"blocks.{block}.weight"], named[f"blocks.{block}.bias"]
    sides = [(0, side) for side in ()] + [
        (number, side) for number in (1, 2) for side in range(1, (1, 3, 5)[number], 2)
    ]
    found = []
    for index, (number, side) in enumerate(sides):
        if number == block:
            kernel, own = (part.detach().clone() for part in branches.parts[2 * index : 2 * index + 2])
            rim = (weight.shape[-1] - side) // 2
            weight, bias = weight - F.pad(kernel, (rim, rim, rim, rim)), bias - own
            found.append((kernel, own))
    return [*found, (weight, bias)]


def _convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Convolve x [C, h, w] with a kernel [outputs, C, k, k], zeros outside of the picture."""
    side, (_, rows, columns) = kernel.shape[-1], x.shape
    out = np.zeros((len(kernel), rows, columns))
    for o, y, z in np.ndindex(*out.shape):
        out[o, y, z] = bias[o]
        for c, u, v in np.ndindex(*kernel.shape[1:]):
            row, column = y + u - side // 2, z + v - side // 2
            if 0 <= row < rows and 0 <= column < columns:
                out[o, y, z] += kernel[o, c, u, v] * x[c, row, column]
    return out


def test_the_kernel_of_the_file_is_all_branches_at_once() -> None:
    """In the middle and at the borders of the picture, of sizes 1 and 3 beside 5."""
    flat = _field()
    before = flat.split(flat.vector.detach().clone())
    branches = Branches(flat, True)
    branches.requires_grad_(False)
    for part in branches.parts:
        part.copy_(torch.randn_like(part))
    branches.fold()
    torch.manual_seed(1)
    for block, count in ((1, 2), (2, 3)):
        parts = _parts(flat, branches, block)
        assert [kernel.shape[-1] for kernel, _ in parts] == [1, 3, 5][:count]
        torch.testing.assert_close(parts[-1][0], before[f"blocks.{block}.weight"], rtol=1e-4, atol=1e-5)
        merged = flat.split(flat.vector.detach())
        x = np.random.default_rng(0).normal(size=(merged[f"blocks.{block}.weight"].shape[1], 5, 6))
        one = _convolved(x, *(merged[f"blocks.{block}.{name}"].numpy() for name in ("weight", "bias")))
        several = sum(_convolved(x, kernel.numpy(), bias.numpy()) for kernel, bias in parts)
        np.testing.assert_allclose(one, several, rtol=1e-4, atol=1e-5)
    assert torch.equal(before["blocks.0.weight"], flat.split(flat.vector)["blocks.0.weight"])  # 1x1: nothing is smaller


class _SideBySide(nn.Module):
    """The same network with real convolutions side by side."""

    def __init__(self, flat: FlatField, branches: Branches) -> None:
        super().__init__()
        named = flat.split(flat.vector.detach().clone())
        self.rest = {name: nn.Parameter(value.clone()) for name, value in named.items()}
        self.blocks = [
            [tuple(nn.Parameter(part.clone()) for part in pair) for pair in _parts(flat, branches, block)]
            for block in range(3)
        ]
        self.trained = [p for name, p in self.rest.items() if not name.startswith("blocks")]
        self.trained += [part for block in self.blocks for pair in block for part in pair]

    def forward(self, frames: Tensor) -> Tensor:
        x = self.rest["embedding"][frames].permute(0, 3, 1, 2)
        x = F.gelu(F.conv2d(x, self.rest["stem.weight"], self.rest["stem.bias"]))
        for block, stride in zip(self.blocks, CONFIG.strides, strict=True):
            wide = sum(F.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2) for kernel, bias in block)
            x = F.gelu(F.pixel_shuffle(wide, stride))  # type: ignore[arg-type]
        return torch.tanh(F.conv2d(x, self.rest["head.weight"], self.rest["head.bias"], padding=1)) / 2 + 0.5


def test_they_learn_as_convolutions_side_by_side() -> None:
    """Ten steps of Adam on the vector and its branches, and on a network that has them all."""
    flat = _field()
    branches = Branches(flat, True)
    reference = _SideBySide(flat, branches)
    assert isinstance(flat.field, QSNeRV)
    target, frames = torch.rand(3, 3, 8, 12), torch.arange(3)
    ours = torch.optim.Adam([flat.vector, *branches.parameters()], 0.01, eps=1e-4)
    theirs = torch.optim.Adam(reference.trained, 0.01, eps=1e-4)
    for _ in range(10):
        ours.zero_grad()
        theirs.zero_grad()
        vector = branches.place(flat.vector)
        assert torch.equal(vector, flat.vector)
        planes = torch.func.functional_call(flat.field, flat.split(vector), (frames,)).planes
        (torch.stack(planes, dim=1) - target).square().mean().backward()
        (reference(frames) - target).square().mean().backward()
        ours.step()
        branches.fold()
        theirs.step()
    drawn = torch.stack(torch.func.functional_call(flat.field, flat.split(flat.vector), (frames,)).planes, dim=1)
    torch.testing.assert_close(drawn, reference(frames), rtol=1e-3, atol=1e-3)
    assert (drawn - target).square().mean() < 0.09


def test_without_them_nothing_changes() -> None:
    for config, wanted in ((CONFIG, False), (replace(CONFIG, kernels=(1, 1, 1)), True)):
        flat = _field(config)
        before = flat.vector.detach().clone()
        branches = Branches(flat, wanted)
        branches.fold()
        assert branches.place(flat.vector) is flat.vector and torch.equal(flat.vector, before)
        assert not list(branches.parameters())
