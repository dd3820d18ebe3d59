"""What the network draws, against slow and obvious references."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.models.base import CellWindow, region
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.latent import latent
from nvcodec.models.qsnerv import Coupling, DenseBlocks, QSNeRV
from nvcodec.models.qsnerv_config import Latent, QSNeRVConfig, Skip
from nvcodec.types import ChromaFormat, VideoFormat

SMALL = QSNeRVConfig((3, 2, 2), (1, 3, 5), 7, (6, 5, 4), embedding=3, skip_channels=4, growth=2, seed=5)
BARE = replace(SMALL, skip=Skip.NONE, levels=0)
EVERY_SKIP = [BARE, replace(SMALL, skip=Skip.CONV), SMALL, replace(SMALL, latent=Latent.ZERO)]
CLIP = FieldGeometry(5, 37, 53, ChromaFormat.YUV420)


def _field(config: QSNeRVConfig, geometry: FieldGeometry) -> QSNeRV:
    """A network whose parameters are all different from zero."""
    torch.manual_seed(0)
    field = QSNeRV(config, geometry).requires_grad_(False)
    for parameter in field.parameters():
        parameter.copy_(0.3 * torch.randn_like(parameter))
    return field


@pytest.mark.parametrize("config", EVERY_SKIP)
@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("shuffle", [1, 2])
@pytest.mark.parametrize("size", [(37, 53), (24, 48), (1, 1)])
def test_planes_have_the_size_of_the_picture(
    config: QSNeRVConfig, chroma: ChromaFormat, shuffle: int, size: tuple[int, int]
) -> None:
    geometry = FieldGeometry(3, *size, chroma)
    drawing = _field(replace(config, shuffle=shuffle), geometry)(torch.tensor([0, 2]))
    expected = VideoFormat(size[1], size[0], chroma=chroma).plane_shapes
    assert [tuple(plane.shape) for plane in drawing.planes] == [(2, *shape) for shape in expected]


@pytest.mark.parametrize("config", EVERY_SKIP)
def test_features_are_the_pyramid_that_was_announced(config: QSNeRVConfig) -> None:
    features = _field(config, CLIP).features(torch.tensor([1, 4]))
    levels = config.pyramid(CLIP).levels
    assert [tuple(f.shape) for f in features] == [(2, x.rows, x.columns, x.channels) for x in levels]


@pytest.mark.parametrize("config", EVERY_SKIP)
def test_a_frame_does_not_depend_on_the_others_of_its_batch(config: QSNeRVConfig) -> None:
    field = _field(config, CLIP)
    together = field(torch.arange(5)).planes
    for frame in (0, 3):
        for alone, plane in zip(field(torch.tensor([frame])).planes, together, strict=True):
            torch.testing.assert_close(alone[0], plane[frame], rtol=1e-4, atol=1e-4)


def test_hnerv_layer_by_layer() -> None:
    field = _field(BARE, replace(CLIP, chroma=ChromaFormat.RGB))
    parameters = dict(field.named_parameters())

    def convolved(x: torch.Tensor, name: str) -> torch.Tensor:
        kernel = parameters[f"{name}.weight"]
        return F.conv2d(x, kernel, parameters[f"{name}.bias"], padding=kernel.shape[-1] // 2)

    x = F.gelu(convolved(parameters["embedding"][2:3].permute(0, 3, 1, 2), "stem"))
    for block, stride in enumerate(BARE.strides):
        wide = convolved(x, f"blocks.{block}")
        _, channels, rows, columns = wide.shape
        cells = wide.view(channels // stride**2, stride, stride, rows, columns)
        x = F.gelu(cells.permute(0, 3, 1, 4, 2).reshape(1, -1, rows * stride, columns * stride))
    drawn = (torch.tanh(convolved(x, "head")) / 2 + 0.5)[0, :, :37, :53]
    for plane, expected in zip(field(torch.tensor([2])).planes, drawn, strict=True):
        torch.testing.assert_close(plane[0], expected, rtol=1e-4, atol=1e-4)


def test_dense_blocks_one_at_a_time() -> None:
    torch.manual_seed(1)
    pair = DenseBlocks(2, SMALL.dense_shapes(3, 4)).requires_grad_(False)
    pair.bias.normal_()
    x = torch.randn(2, 3, 5, 6)
    for block, out in enumerate(pair(x)):
        seen, at = [x], 0
        for index, kernel in enumerate(pair.kernels):
            half = len(kernel) // 2
            own = slice(block * half, (block + 1) * half)
            y = F.conv2d(torch.cat(seen, dim=1), kernel[own], pair.bias[at : at + 2 * half][own], padding=1)
            seen.append(F.leaky_relu(y, 0.2) if index < 4 else y)
            at += 2 * half
        torch.testing.assert_close(out, seen[-1], rtol=1e-4, atol=1e-5)


@given(st.integers(0, 1000), st.floats(0.1, 3))
@settings(max_examples=20)
def test_the_coupling_can_be_undone(seed: int, size: float) -> None:
    torch.manual_seed(seed)
    coupling = Coupling(SMALL).requires_grad_(False)
    small, features = size * torch.randn(2, 1, 5, 6), size * torch.randn(2, 4, 5, 6)
    back = coupling.inverse(*coupling(small, features))
    torch.testing.assert_close(back, (small, features), rtol=1e-3, atol=1e-3)


def test_a_fit_begins_as_hnerv() -> None:
    torch.manual_seed(0)
    field = QSNeRV(SMALL, CLIP).requires_grad_(False)
    bare = QSNeRV(BARE, CLIP).requires_grad_(False)
    bare.load_state_dict(field.state_dict(), strict=False)
    frames = torch.arange(5)
    for with_skip, without in zip(field(frames).planes, bare(frames).planes, strict=True):
        assert torch.equal(with_skip, without)


def test_every_parameter_can_learn_from_the_second_step_on() -> None:
    """What starts at zero must not meet another zero: nothing would ever move."""
    for config in EVERY_SKIP[:3]:  # with a latent of zeros, kernels that see nothing else stay as they are
        torch.manual_seed(0)
        field = QSNeRV(config, CLIP)
        for _ in range(2):
            sum(plane.square().mean() for plane in field(torch.arange(5)).planes).backward()
            with torch.no_grad():
                for parameter in field.parameters():
                    parameter -= 0.1 * parameter.grad
        assert all(parameter.grad.any() for parameter in field.parameters())


def test_the_latent_is_that_of_the_file() -> None:
    field = _field(SMALL, CLIP)
    expected = latent(5, 2, (1, 4 * 4, 5 * 4, 4))
    assert torch.equal(field.skips[1].latent, torch.from_numpy(expected))
    assert not _field(replace(SMALL, latent=Latent.ZERO), CLIP).skips[1].latent.any()


@settings(max_examples=25)
@given(st.data(), st.sampled_from(EVERY_SKIP), st.sampled_from(ChromaFormat), st.sampled_from([1, 2]))
def test_a_window_is_that_part_of_the_picture(
    data: st.DataObject, config: QSNeRVConfig, chroma: ChromaFormat, shuffle: int
) -> None:
    config = replace(config, shuffle=shuffle)
    geometry = FieldGeometry(4, data.draw(st.integers(40, 150)), data.draw(st.integers(40, 150)), chroma)
    field, frames = _field(config, geometry), torch.tensor([1, 3])
    rows, columns = config.base_size(geometry)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    window = CellWindow(
        top, left, data.draw(st.integers(1, rows - top)), data.draw(st.integers(1, columns - left)), margin=8
    )
    whole, part = field(frames).planes, field(frames, window).planes
    for plane, drawn, (inside, across) in zip(whole, part, region(geometry, config.scale, window), strict=True):
        torch.testing.assert_close(drawn, plane[:, inside, across], rtol=1e-3, atol=1e-3)
