"""Distortion is the metric, and what only training has stays out of the file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from nvcodec.config.fit import LossConfig
from nvcodec.encoder.fit.loss import Distortion, boost, picture_error, repeating, shrunken
from nvcodec.encoder.footage.clip import Clip
from nvcodec.metrics.measure import measure
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.types import ChromaFormat, Planes, VideoFormat

Moving = Callable[[VideoFormat, int], list[Planes]]
CONFIG = MSNeRVConfig((2, 2), (8, 6), (1, 1), (2, 2), (GridLevel(2, 1, 2),), shuffle=4)


@pytest.mark.parametrize("chroma", ChromaFormat)
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_picture_error_is_the_metric(moving: Moving, chroma: ChromaFormat, depth: int) -> None:
    video = VideoFormat(53, 37, bit_depth=depth, chroma=chroma)
    first, second = moving(video, 1), moving(video, 2)[1:]
    drawn, target = (Clip.load(pictures, video, 1).targets(torch.tensor([0])) for pictures in (first, second))
    db = -10 * torch.log10(picture_error(drawn, target, chroma))
    key = "rgb" if chroma is ChromaFormat.RGB else "yuv_611"
    assert db.item() == pytest.approx(measure(second, video, first, video).psnr[key], abs=0.01)


def test_boost_raises_targets_only_where_the_error_is_rough() -> None:
    target = torch.full((1, 20, 20), 0.5)
    assert torch.allclose(boost(target + 0.2, target, 1.0), target, atol=1e-6)
    rough = target.clone()
    rough[0, 10, 10] += 0.3
    raised = boost(rough, target, 1.0)
    assert raised[0, 10, 10] > 0.7 and raised[0, 0, 0] == 0.5
    assert torch.equal(boost(rough, target, 0.0), target)
    assert boost(rough, target, 100.0).max() == 1


def test_pooled_targets_are_maxima_over_cells() -> None:
    luma, chroma = torch.rand(1, 37, 53), torch.rand(1, 19, 27)
    small = shrunken((luma, chroma, chroma), ChromaFormat.YUV420, 8, (5, 7))
    assert small.shape == (1, 3, 5, 7)
    assert small[0, 0, 1, 2] == luma[0, 8:16, 16:24].max()
    assert small[0, 1, 1, 2] == chroma[0, 4:8, 8:12].max()
    assert small[0, 0, 4, 6] == luma[0, 32:, 48:].max()


@pytest.mark.parametrize("kind", ["psnr", "adaptive", "hinerv", "ssim", "l1", "l1_ssim", "l1_ms_ssim"])
@pytest.mark.parametrize("chroma", ChromaFormat)
def test_every_loss_falls_towards_the_source(moving: Moving, kind: str, chroma: ChromaFormat) -> None:
    torch.manual_seed(0)
    video = VideoFormat(64, 48, chroma=chroma)
    field = MSNeRV(CONFIG, FieldGeometry(4, 48, 64, chroma))
    distortion = Distortion(LossConfig(kind, multi_resolution=True, high_frequency=True), field)
    targets = Clip.load(moving(video, 1), video, 1).targets(torch.tensor([0]))
    features = field.features(torch.tensor([0]))
    values = [
        distortion(tuple(t + noise * torch.randn_like(t) for t in targets), targets, features, None)
        for noise in (0.2, 0.05, 0.01)
    ]
    assert values[0] > values[1] > values[2] > 0


def test_heads_fade_and_are_not_coded() -> None:
    torch.manual_seed(0)
    geometry = FieldGeometry(4, 48, 64, ChromaFormat.YUV420)
    field = MSNeRV(CONFIG, geometry)
    names = {name for name, _ in field.named_parameters()}
    distortion = Distortion(LossConfig(multi_resolution=True, auxiliary_until=0.5), field)
    assert len(distortion.heads) == 1 and names == {spec.name for spec in CONFIG.tensor_specs(geometry)}
    drawing = field(torch.tensor([1]))
    plain = Distortion(LossConfig(), field)
    fades = [distortion.fade(progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert fades == [1, 0.5, 0, 0] and plain.fade(0.0) == 0
    weights = [torch.tensor(fade) if fade else None for fade in fades]
    values = [distortion(drawing.planes, drawing.planes, drawing.features, weight).item() for weight in weights]
    reference = plain(drawing.planes, drawing.planes, drawing.features, None).item()
    assert values[0] > values[1] > values[2] == values[3] == pytest.approx(reference)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [(96, 128), (93, 67), (17, 19)])
def test_only_what_comes_back_from_place_to_place_is_a_grid(factor: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    rows, columns = size
    place = torch.randn(factor, factor)
    place -= place.mean()
    grid = place.repeat(-(-rows // factor), -(-columns // factor))[None, :rows, :columns]
    assert repeating(grid, factor).item() == pytest.approx(place.square().mean().item(), rel=1e-4)
    assert repeating(torch.full((1, rows, columns), 0.3), factor) < 1e-12
    places = min(rows // factor, 8) * min(columns // factor, 8)
    assert repeating(torch.randn(1, rows, columns), factor) < 3 / places  # noise averages out
    assert repeating(grid[:, : factor - 1], factor) == 0, "no whole place"


def test_a_grid_costs_more_than_other_errors(moving: Moving) -> None:
    torch.manual_seed(0)
    video = VideoFormat(64, 48)
    field = MSNeRV(CONFIG, FieldGeometry(4, 48, 64, ChromaFormat.YUV420))
    targets = Clip.load(moving(video, 1), video, 1).targets(torch.tensor([0]))
    noise = 0.02 * torch.randn_like(targets[0])
    grid = 0.02 * torch.randn(4, 4).repeat(12, 16)[None]
    grid = (grid - grid.mean()) * (noise.std() / grid.std())
    losses = {
        dots: [
            Distortion(LossConfig(dots=dots), field)((targets[0] + error, *targets[1:]), targets, [], None).item()
            for error in (noise, grid)
        ]
        for dots in (0.0, 4.0)
    }
    assert losses[0.0][0] == pytest.approx(losses[0.0][1], rel=0.01)
    assert losses[4.0][1] > 3 * losses[4.0][0]
