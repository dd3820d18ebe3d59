"""What the network draws, against slow and obvious references."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.models.base import CellWindow, lerp_rows, region
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import FusionLayer, MSNeRV, Upsample
from nvcodec.models.msnerv_config import HINERV_SWITCHES, GridLevel, MSNeRVConfig, Upsampling
from nvcodec.models.planes import mean_cells, shuffle
from nvcodec.types import ChromaFormat, VideoFormat

SMALL = MSNeRVConfig(
    strides=(2, 2),
    channels=(6, 4),
    depths=(1, 1),
    expansions=(2, 2),
    grids=(GridLevel(2, 1, 2), GridLevel(4, 2, 3)),
    shuffle=2,
)
GOPS = (0, 2, 7)
CLIP = FieldGeometry(9, 37, 53, ChromaFormat.YUV420, GOPS)


def _field(config: MSNeRVConfig, geometry: FieldGeometry, seed: int = 0) -> MSNeRV:
    """A network whose parameters are all different from zero."""
    torch.manual_seed(seed)
    field = MSNeRV(config, geometry).requires_grad_(False)
    for parameter in field.parameters():
        parameter.copy_(0.4 * torch.randn_like(parameter))
    return field


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("shuffle", [1, 2, 4])
@pytest.mark.parametrize("size", [(37, 53), (48, 64), (1, 1)])
def test_planes_have_the_size_of_the_picture(chroma: ChromaFormat, shuffle: int, size: tuple[int, int]) -> None:
    geometry = FieldGeometry(3, *size, chroma)
    planes = _field(replace(SMALL, shuffle=shuffle), geometry)(torch.tensor([0, 2])).planes
    expected = VideoFormat(size[1], size[0], chroma=chroma).plane_shapes
    assert [tuple(plane.shape) for plane in planes] == [(2, *shape) for shape in expected]


def test_a_frame_does_not_depend_on_the_others_of_its_batch() -> None:
    field = _field(SMALL, CLIP)
    together = field(torch.arange(9)).planes
    for frame in (0, 4, 8):
        for alone, plane in zip(field(torch.tensor([frame])).planes, together, strict=True):
            torch.testing.assert_close(alone[0], plane[frame], rtol=1e-4, atol=1e-4)


@given(st.integers(1, 40), st.integers(1, 12), st.data())
def test_interpolation_in_time(frames: int, nodes: int, data: st.DataObject) -> None:
    time = data.draw(st.integers(0, frames - 1))
    grid = np.random.default_rng(0).normal(size=(nodes, 3))
    position = min(max((time + 0.5) * nodes / frames - 0.5, 0), nodes - 1)
    below = int(np.floor(position))
    above = min(below + 1, nodes - 1)
    expected = grid[below] * (1 - (position - below)) + grid[above] * (position - below)
    rows = lerp_rows(torch.tensor(time), frames, nodes).numpy()
    np.testing.assert_allclose(rows @ grid, expected, rtol=1e-4, atol=1e-5)
    assert rows.sum() == pytest.approx(1) and np.count_nonzero(rows) <= 2


def _bilinear(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """[h, w, C] -> [rows, columns, C], sample centres at half-integers, edges repeated."""
    height, width, _ = picture.shape
    out = np.empty((rows, columns, picture.shape[2]))
    for row, column in itertools.product(range(rows), range(columns)):
        y = max((row + 0.5) * height / rows - 0.5, 0)
        x = max((column + 0.5) * width / columns - 0.5, 0)
        top, left = min(int(y), height - 1), min(int(x), width - 1)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        upper = picture[top, left] * (1 - (x - left)) + picture[top, right] * (x - left)
        lower = picture[bottom, left] * (1 - (x - left)) + picture[bottom, right] * (x - left)
        out[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return out


def test_hybrid_upsampling_starts_as_bilinear_and_shuffle_as_nearest() -> None:
    x = torch.randn(2, 5, 7, 3)
    bilinear = Upsample(Upsampling.BILINEAR, 3, 3)(x)
    torch.testing.assert_close(Upsample(Upsampling.HYBRID, 3, 3)(x), bilinear)
    nearest = x.repeat_interleave(3, dim=1).repeat_interleave(3, dim=2)
    torch.testing.assert_close(Upsample(Upsampling.SHUFFLE, 3, 3)(x), nearest)
    np.testing.assert_allclose(bilinear[1].numpy(), _bilinear(x[1].numpy(), 15, 21), rtol=1e-4, atol=1e-5)


def test_learned_upsampling_places_each_filter() -> None:
    upsample = Upsample(Upsampling.SHUFFLE, 2, 3).requires_grad_(False)
    assert upsample.kernel is not None
    upsample.kernel.normal_()
    x = torch.randn(1, 4, 5, 3)
    padded, drawn = F.pad(x, (0, 0, 1, 1, 1, 1)), upsample(x)
    for row, column, channel in itertools.product(range(8), range(10), range(3)):
        kernel = upsample.kernel[4 * channel + 2 * (row % 2) + column % 2, 0]
        seen = padded[0, row // 2 : row // 2 + 3, column // 2 : column // 2 + 3, channel]
        assert float(drawn[0, row, column, channel]) == pytest.approx(float((kernel * seen).sum()), abs=1e-4)


def test_one_kernel_is_both_branches_of_the_fusion_layer() -> None:
    torch.manual_seed(0)
    layer = FusionLayer(6, 4, 2, 0).requires_grad_(False)
    small, large = torch.randn(6, 1, 3, 3), torch.randn(6, 1, 5, 5)
    layer.kernel.shared.copy_(large + F.pad(small, (1, 1, 1, 1)))
    x = torch.randn(2, 9, 8, 6)
    wide = x.permute(0, 3, 1, 2)
    branches = F.conv2d(wide, small, padding=1, groups=6) + F.conv2d(wide, large, padding=2, groups=6)
    z = branches.permute(0, 2, 3, 1)
    mean, variance = z.mean(-1, keepdim=True), z.var(-1, correction=0, keepdim=True)
    hidden = ((z - mean) / (variance + 1e-6).sqrt()) @ layer.expand.T
    activated = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    torch.testing.assert_close(layer(x, None), activated @ layer.project.T + z[..., :4], rtol=1e-4, atol=1e-4)


def test_local_encoding_repeats_in_every_cell() -> None:
    field = _field(SMALL, CLIP)
    local = field.blocks[0].local
    assert local is not None
    added = local(torch.zeros(1, 6, 8, 6), torch.tensor([5]))
    torch.testing.assert_close(added, added[:, :2, :2].repeat(1, 3, 4, 1))
    assert not torch.equal(added[0, 0, 0], added[0, 1, 1])


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_head_channels_become_samples_row_by_row(factor: int) -> None:
    x = torch.randn(2, 3, 5, factor**2)
    plane = shuffle(x, (factor, factor))
    for row, column in itertools.product(range(3 * factor), range(5 * factor)):
        channel = row % factor * factor + column % factor
        torch.testing.assert_close(plane[:, row, column], x[:, row // factor, column // factor, channel])


def test_full_size_chroma_is_averaged() -> None:
    plane = torch.randn(1, 5, 7)
    half = mean_cells(plane, (2, 2))
    assert half.shape == (1, 3, 4)
    assert float(half[0, 1, 2]) == pytest.approx(float(plane[0, 2:4, 4:6].mean()), abs=1e-5)
    assert float(half[0, 2, 3]) == pytest.approx(float(plane[0, 4, 6]), abs=1e-5)


@settings(max_examples=25)
@given(
    st.data(),
    st.sampled_from(ChromaFormat),
    st.sampled_from([{}, HINERV_SWITCHES, {"gop_kernels": True}]),
    st.sampled_from([1, 2, 4]),
)
def test_a_window_is_that_part_of_the_picture(
    data: st.DataObject, chroma: ChromaFormat, switches: dict[str, Any], shuffle: int
) -> None:
    config = replace(SMALL, shuffle=shuffle, **switches)
    geometry = FieldGeometry(4, data.draw(st.integers(40, 90)), data.draw(st.integers(40, 90)), chroma, (0, 3))
    field, frames = _field(config, geometry), torch.tensor([1, 3])
    rows, columns = config.base_size(geometry)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    window = CellWindow(
        top, left, data.draw(st.integers(1, rows - top)), data.draw(st.integers(1, columns - left)), margin=8
    )
    whole, part = field(frames).planes, field(frames, window).planes
    for plane, drawn, (inside, across) in zip(whole, part, region(geometry, config.scale, window), strict=True):
        torch.testing.assert_close(drawn, plane[:, inside, across], rtol=1e-3, atol=1e-3)
