"""QS-NeRV, equation by equation, against loops over numpy written from the paper (sections 3.2 and 3.3)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from nvcodec.models.base import PlaneTensors
from nvcodec.models.een import EEN, Attention, EnhancementBlock
from nvcodec.models.een_config import EENConfig
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.latent import latent
from nvcodec.models.pyramid import Pyramid, PyramidLevel
from nvcodec.models.qsnerv import Coupling, DenseBlocks, InvertibleSkip, QSNeRV
from nvcodec.models.qsnerv_config import Latent, QSNeRVConfig, Skip
from nvcodec.types import ChromaFormat

Array = npt.NDArray[np.float64]
CONFIG = QSNeRVConfig((3, 2, 2), (1, 3, 5), 7, (6, 5, 4), embedding=3, skip_channels=3, growth=2, seed=5)
CLIP = FieldGeometry(4, 24, 36, ChromaFormat.YUV420)


def _random(module: nn.Module, scale: float = 0.4) -> nn.Module:
    torch.manual_seed(0)
    for parameter in module.requires_grad_(False).parameters():
        parameter.copy_(scale * torch.randn_like(parameter))
    return module


def _numbers(tensor: torch.Tensor) -> Array:
    return tensor.detach().numpy().astype(np.float64)


def convolved(x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """C_kxk of x [C, h, w] with a kernel [outputs, C, k, k], zeros outside of the picture."""
    outputs, channels, side, _ = kernel.shape
    _, rows, columns = x.shape
    out = np.zeros((outputs, rows, columns))
    for o in range(outputs):
        for y in range(rows):
            for z in range(columns):
                total = 0.0 if bias is None else bias[o]
                for c in range(channels):
                    for u in range(side):
                        for v in range(side):
                            at = y + u - side // 2, z + v - side // 2
                            if 0 <= at[0] < rows and 0 <= at[1] < columns:
                                total += kernel[o, c, u, v] * x[c, at[0], at[1]]
                out[o, y, z] = total
    return out


def dense_block(blocks: DenseBlocks, which: int, x: Array) -> Array:
    """One of IRN's dense blocks: every convolution sees the input and all outputs before it."""
    seen, at = x, 0
    for index, kernel in enumerate(blocks.kernels):
        both = _numbers(kernel)
        outputs = len(both) // blocks.count
        own = slice(which * outputs, (which + 1) * outputs)
        bias = _numbers(blocks.bias)[at : at + len(both)][own]
        y = convolved(seen, both[own], bias)
        if index == len(blocks.kernels) - 1:
            return y
        seen = np.concatenate([seen, np.where(y > 0, y, 0.2 * y)])
        at += len(both)
    raise AssertionError


def scale(u: Array, bounded: bool) -> Array:
    return np.exp(2 / (1 + np.exp(-u)) - 1) if bounded else u


@pytest.mark.parametrize("bounded", [True, False])
def test_invnet(bounded: bool) -> None:
    """F^ = F * K(f) + F(f);  f^ = f * H(F^) + G(F^); and the way back. Off, scales are the paper's."""
    coupling = Coupling(replace(CONFIG, bounded=bounded))
    if not bounded:  # begins near one, and is still what the equation says
        assert torch.equal(coupling.widening.last_biases()[0], torch.ones(3))
        assert torch.equal(coupling.narrowing.last_biases()[0], torch.ones(1))
    _random(coupling)
    small, features = torch.randn(1, 1, 4, 5), torch.randn(1, 3, 4, 5)
    f, wide = _numbers(small)[0], _numbers(features)[0]
    wide = wide * scale(dense_block(coupling.widening, 0, f), bounded) + dense_block(coupling.widening, 1, f)
    f = f * scale(dense_block(coupling.narrowing, 0, wide), bounded) + dense_block(coupling.narrowing, 1, wide)
    coded, normal = coupling(small, features)
    np.testing.assert_allclose(_numbers(coded)[0], f, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(_numbers(normal)[0], wide, rtol=1e-4, atol=1e-4)
    f, wide = _numbers(small)[0], _numbers(features)[0]
    f = (f - dense_block(coupling.narrowing, 1, wide)) / scale(dense_block(coupling.narrowing, 0, wide), bounded)
    wide = (wide - dense_block(coupling.widening, 1, f)) / scale(dense_block(coupling.widening, 0, f), bounded)
    for found, expected in zip(coupling.inverse(small, features), (f, wide), strict=True):
        np.testing.assert_allclose(_numbers(found)[0], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bounded", [True, False])
def test_the_inverse_undoes_the_forward_way(bounded: bool) -> None:
    torch.manual_seed(2)
    coupling = Coupling(replace(CONFIG, bounded=bounded)).requires_grad_(False)  # as a fit begins
    small, features = torch.randn(2, 1, 5, 6), torch.randn(2, 3, 5, 6)
    torch.testing.assert_close(coupling.inverse(*coupling(small, features)), (small, features), rtol=1e-3, atol=1e-3)


def test_a_frame_s_own_latent() -> None:
    """The element of frame *t* is the array of all frames at *t*; between two frames it is that of the first."""
    config = replace(CONFIG, fresh=True)
    field = _random(QSNeRV(config, CLIP))
    assert isinstance(field, QSNeRV)
    skip = field.skips[1]
    assert isinstance(skip, InvertibleSkip)
    assert torch.equal(skip.latent, torch.from_numpy(latent(5, 2, (4, 8, 12, 3))))
    small = torch.randn(2, 8, 12, 1)
    drawn = skip(small, torch.tensor([3, 1]), None)
    for index, frame in enumerate((3, 1)):
        alone = InvertibleSkip(replace(config, fresh=False), 2, (8, 12), 4)
        alone.load_state_dict(skip.state_dict())
        alone.latent = skip.latent[frame : frame + 1]
        torch.testing.assert_close(alone(small[index : index + 1], torch.tensor([0]), None)[0], drawn[index])
    torch.testing.assert_close(skip(small, torch.tensor([3.0, 1.75]), None), drawn)


def test_a_step_of_a_fit_draws_latents_anew() -> None:
    field, frames = _random(QSNeRV(replace(CONFIG, fresh=True), CLIP)), torch.tensor([2])
    assert isinstance(field, QSNeRV)
    file = field(frames).planes[0]
    field.draw_anew(True)
    first, second = field(frames).planes[0], field(frames).planes[0]
    assert not torch.equal(first, second) and not torch.equal(first, file)
    field.draw_anew(False)
    assert torch.equal(field(frames).planes[0], file)


def test_direct_skips_add_the_features_themselves() -> None:
    config = replace(CONFIG, skip=Skip.CONV, direct=True)
    field = _random(QSNeRV(config, CLIP))
    assert [tuple(each.shape) for each in field.maps] == [(4, 4, 6, 3), (4, 8, 12, 3)]  # type: ignore[union-attr]
    small = torch.randn(1, 4, 6, 3)
    (merge,) = field.skips[0].parameters()  # type: ignore[union-attr]
    found = field.skips[0](small, torch.tensor([0]), None)  # type: ignore[union-attr]
    for row, column in ((0, 0), (3, 5)):
        torch.testing.assert_close(found[0, row, column], merge[:, :, 0, 0] @ small[0, row, column])


def test_attention() -> None:
    """M = sigmoid(C3([C1(h), C3(h), C5(h)])), at the borders too."""
    attention = _random(Attention())
    assert isinstance(attention, Attention)
    torch.manual_seed(1)
    h = torch.randn(1, 1, 6, 7)
    biases = _numbers(attention.biases)
    squeezed = _numbers(h)[0] + biases[0]
    kernels = (attention.one, attention.three, attention.five)
    branches = [convolved(squeezed, _numbers(kernel), biases[1 + i : 2 + i]) for i, kernel in enumerate(kernels)]
    expected = convolved(np.concatenate(branches), _numbers(attention.join), biases[4:])
    np.testing.assert_allclose(_numbers(attention(h))[0], expected, rtol=1e-4, atol=1e-4)


def test_the_single_kernel_is_the_same_but_for_the_outermost_ring() -> None:
    """What files without the choice have: the four kernels merged into one of 7x7."""
    attention = _random(Attention())
    assert isinstance(attention, Attention)
    attention.biases.zero_()
    merged = np.zeros((1, 1, 7, 7))
    for branch, kernel in enumerate((attention.one, attention.three, attention.five)):
        own, join = _numbers(kernel)[0, 0], _numbers(attention.join)[0, branch]
        for y in range(3):
            for x in range(3):
                for u in range(len(own)):
                    for v in range(len(own)):
                        merged[0, 0, 2 + y + u - len(own) // 2, 2 + x + v - len(own) // 2] += join[y, x] * own[u, v]
    h = torch.randn(1, 1, 8, 9)
    single, paper = convolved(_numbers(h)[0], merged), _numbers(attention(h))[0]
    np.testing.assert_allclose(single[:, 1:-1, 1:-1], paper[:, 1:-1, 1:-1], rtol=1e-4, atol=1e-4)
    assert np.abs(single - paper)[:, 0].max() > 0.01


class _Below:
    """Fixed features and pictures of four frames."""

    def __init__(self, base: Pyramid) -> None:
        torch.manual_seed(3)
        self.levels = [torch.randn(4, level.rows, level.columns, level.channels) for level in base.levels]
        rows, columns = base.levels[-1].rows, base.levels[-1].columns
        self.pictures = torch.rand(3, 4, rows, columns)

    def pyramid(self, frames: torch.Tensor) -> list[torch.Tensor]:
        return [level[frames] for level in self.levels]

    def planes(self, frames: torch.Tensor) -> PlaneTensors:
        return tuple(plane[frames] for plane in self.pictures)


def _gelu(x: Array) -> Array:
    out: Array = x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return out


def test_enhancement_network() -> None:
    """O^m = EEN(F_(t-1), F_t, F_(t+1)) + O^(m-1), from the embedding of the base alone."""
    base = Pyramid((PyramidLevel(2, 3, 3), PyramidLevel(4, 6, 4), PyramidLevel(4, 6, 2)), 1)
    geometry, below = FieldGeometry(4, 4, 6, ChromaFormat.RGB), _Below(base)
    network = _random(EEN(EENConfig((3, 2), (1, 3), multi_scale=True), geometry, base, below))
    assert isinstance(network, EEN)
    for frame, near in ((0, (0, 0, 1)), (2, (1, 2, 3)), (3, (2, 3, 3))):
        x = _numbers(below.levels[0])[frame].transpose(2, 0, 1)
        for level, (block, s) in enumerate(zip(network.blocks, base.strides, strict=True), 1):
            assert isinstance(block, EnhancementBlock) and block.attend is not None
            z = convolved(x, _numbers(block.conv.weight), _numbers(block.conv.bias))
            wide = len(z) // s**2
            y = np.zeros((wide, z.shape[1] * s, z.shape[2] * s))
            for c, i, j in np.ndindex(*y.shape):
                y[c, i, j] = z[c * s * s + (i % s) * s + j % s, i // s, j // s]
            features = [_numbers(below.levels[level])[t].transpose(2, 0, 1) for t in near]
            squeeze = _numbers(block.squeeze)
            h = sum(convolved(each, squeeze[k : k + 1]) for k, each in enumerate(features))
            mask = 1 / (1 + np.exp(-_numbers(block.attend(torch.tensor(h[None], dtype=torch.float32)))[0]))
            x = _gelu(y) + convolved(mask * features[1], _numbers(block.project)[:, :, None, None])
        residual = convolved(x, _numbers(network.head.weight), _numbers(network.head.bias))
        drawn = network(torch.tensor([frame])).planes
        for plane, added, under in zip(drawn, residual, below.pictures, strict=True):
            np.testing.assert_allclose(_numbers(plane)[0], _numbers(under)[frame] + added, rtol=1e-3, atol=1e-3)


def test_choices_of_a_file() -> None:
    """Golden bytes, and what contradicts itself."""
    assert CONFIG.choices_to_bytes() == b""
    assert replace(CONFIG, bounded=False, fresh=True).choices_to_bytes().hex(" ") == "01 00 03 01"
    assert replace(CONFIG, skip=Skip.CONV, direct=True).choices_to_bytes().hex(" ") == "02 01"
    for changes in (
        {"direct": True},
        {"bounded": False, "skip": Skip.CONV},
        {"fresh": True, "latent": Latent.ZERO},
        {"fresh": True, "skip": Skip.CONV},
    ):
        with pytest.raises(ValueError, match="is for skip="):
            replace(CONFIG, **changes)  # type: ignore[arg-type]
    one, all_ = (replace(CONFIG, fresh=fresh).drawing_bytes(CLIP) for fresh in (False, True))
    assert all_ == one + 4 * 3 * (4 * 6 + 8 * 12) * 3
