"""The papers' losses against their equations, written out in float64 sample by sample."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from nvcodec.config.fit import FitConfig, LossConfig
from nvcodec.encoder.fit.draw import Painter, tiles
from nvcodec.encoder.fit.fit import Fit
from nvcodec.encoder.fit.goal import Goal
from nvcodec.encoder.fit.loss import Distortion, boost, shrunken
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.schedule import Budget
from nvcodec.encoder.fit.step import Kind
from nvcodec.encoder.footage.clip import Clip
from nvcodec.models.base import Drawing, VideoField
from nvcodec.models.geometry import FieldGeometry
from nvcodec.models.msnerv import MSNeRV
from nvcodec.models.msnerv_config import GridLevel, MSNeRVConfig
from nvcodec.models.qsnerv import QSNeRV
from nvcodec.models.qsnerv_config import QSNeRVConfig
from nvcodec.types import ChromaFormat, VideoFormat

Array = npt.NDArray[np.float64]

RGB, YUV420 = ChromaFormat.RGB, ChromaFormat.YUV420
FOUR_BLOCKS = MSNeRVConfig((3, 2, 2, 2), (6, 5, 4, 3), (1, 1, 1, 1), (1, 1, 1, 1), (GridLevel(2, 1, 2),))
"""The shape of the paper's network: supervised at an eighth, a quarter and half of the picture."""


def _pictures(rows: int, columns: int, planes: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """Something drawn and its source, smooth and rough in parts, [planes, rows, columns]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    source = (
        0.5
        + 0.3 * np.sin(y / 5 + np.arange(planes)[:, None, None]) * np.cos(x / 7)
        + 0.05 * rng.random((rows, columns))
    )
    return np.clip(source + 0.1 * rng.normal(size=source.shape), 0, 1), source


def _tensors(planes: Array) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(plane).float()[None] for plane in planes)


def _gaussian(size: int, deviation: float) -> Array:
    taps = np.array([math.exp(-((i - size // 2) ** 2) / (2 * deviation**2)) for i in range(size)])
    window = np.outer(taps, taps)
    return np.asarray(window / window.sum())


def _ssim(first: Array, second: Array, size: int) -> tuple[float, float]:
    """Similarity and contrast of two planes (Wang et al., 2004): windows that lie inside, mean over their places."""
    a, b = (np.lib.stride_tricks.sliding_window_view(each, (size, size)) for each in (first, second))

    def mean(values: Array) -> Array:
        return np.asarray((_gaussian(size, 1.5) * values).sum(axis=(2, 3)))

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b, both = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    contrast = (2 * both + 0.03**2) / (variance_a + variance_b + 0.03**2)
    similarity = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2) * contrast
    return float(similarity.mean()), float(contrast.mean())


def _halved(plane: Array) -> Array:
    return np.asarray(plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).mean(axis=(1, 3)))


def _ms_ssim(first: Array, second: Array) -> float:
    """Five scales of a 5x5 window (Wang et al., 2003; the window is HiNeRV's)."""
    product = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        similarity, contrast = _ssim(first, second, 5)
        product *= (similarity if scale == 4 else contrast) ** weight
        first, second = (_halved(each) if scale < 4 else each for each in (first, second))
    return product


@pytest.mark.parametrize("chroma", [RGB, YUV420])
@pytest.mark.parametrize("kind", ["l1", "l1_ssim"])
def test_l1_and_ssim(kind: str, chroma: ChromaFormat) -> None:
    """D-NeRV, equation 9: of all RGB samples; of YUV planes by the weights of the metric, SSIM of luma."""
    drawn, source = _pictures(24, 32)
    if chroma is YUV420:
        picture, target = ((planes[0], _halved(planes[1]), _halved(planes[2])) for planes in (drawn, source))
        weights, similar = (6 / 8, 1 / 8, 1 / 8), 1
    else:
        picture, target, weights, similar = tuple(drawn), tuple(source), (1 / 3, 1 / 3, 1 / 3), 3
    absolute = sum(w * np.mean(np.abs(p - t)) for w, p, t in zip(weights, picture, target, strict=True))
    ssim = np.mean([_ssim(picture[index], target[index], 11)[0] for index in range(similar)])
    field = MSNeRV(FOUR_BLOCKS, FieldGeometry(1, 24, 32, chroma))
    for alpha in (3 / 7, 0.1):
        expected = absolute + (alpha * (1 - ssim) if kind == "l1_ssim" else 0)
        tensors = (tuple(torch.from_numpy(plane).float()[None] for plane in planes) for planes in (picture, target))
        loss = Distortion(LossConfig(kind, alpha), field)(*tensors, [], None)
        assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_l1_then_ms_ssim_too() -> None:
    """TeNeRV, section IV-A: L1 for 30 of 300 epochs, then both."""
    drawn, source = _pictures(80, 96)
    absolute = np.mean(np.abs(drawn - source))
    both = absolute + 3 / 7 * (1 - np.mean([_ms_ssim(*planes) for planes in zip(drawn, source, strict=True)]))
    field = MSNeRV(FOUR_BLOCKS, FieldGeometry(1, 80, 96, RGB))
    distortion = Distortion(LossConfig("l1_ms_ssim", structure_from=0.1), field)
    for epoch in (0, 10, 29, 30, 150, 299):
        structured = distortion.is_structured(epoch / 300)
        loss = distortion(_tensors(drawn), _tensors(source), [], None, structured=structured)
        assert loss.item() == pytest.approx(absolute if epoch < 30 else both, rel=1e-4), epoch
    hinerv = Distortion(LossConfig("hinerv"), field)(_tensors(drawn), _tensors(source), [], None)
    assert hinerv.item() == pytest.approx(0.7 * both, rel=1e-4)


@pytest.mark.parametrize(("kind", "until", "fades", "weights"), [
    ("adaptive", 1.0, False, (1, 1, 1, 1, 1)),
    ("adaptive", 0.5, False, (1, 1, 0, 0, 0)),
    ("adaptive", 0.5, True, (1, 0.5, 0, 0, 0)),
    ("adaptive", 1.0, True, (1, 0.75, 0.5, 0.25, 0.01)),
])  # fmt: skip
def test_auxiliary_losses_by_epoch(kind: str, until: float, fades: bool, weights: tuple[float, ...]) -> None:
    field = MSNeRV(FOUR_BLOCKS, FieldGeometry(1, 24, 48, RGB))
    config = LossConfig(kind, multi_resolution=True, auxiliary_until=until, auxiliary_fades=fades)
    found = [Distortion(config, field).fade(progress) for progress in (0, 0.25, 0.5, 0.75, 0.99)]
    assert found == pytest.approx(weights)
    assert Distortion(LossConfig(kind, auxiliary_until=until, auxiliary_fades=fades), field).fade(0) == 0


def test_boosted_targets() -> None:
    """Equation 5; the paper's filter is not given, ours is the identity minus a 5x5 Gaussian."""
    drawn, source = _pictures(9, 11, planes=1)
    error = np.pad(np.abs(source - drawn)[0], 2, mode="edge")
    window, expected = _gaussian(5, 1), np.empty((9, 11))
    for row in range(9):
        for column in range(11):
            high = error[row + 2, column + 2] - (window * error[row : row + 5, column : column + 5]).sum()
            expected[row, column] = min(max(source[0, row, column] + high, 0), 1)
    np.testing.assert_allclose(boost(_tensors(drawn)[0], _tensors(source)[0], 1.0)[0], expected, atol=1e-6)


def _supervised(drawn: Array, source: Array, alpha: float) -> float:
    """Equation 6 without MS-SSIM."""
    return float(alpha * np.mean((drawn - source) ** 2) + (1 - alpha) * np.mean(np.abs(drawn - source)))


def test_the_whole_loss_of_msnerv() -> None:
    """Equations 5 to 8 with Table 4: MSE, L1, MS-SSIM against the boosted picture, MSE, L1 at three sizes below."""
    torch.manual_seed(0)
    drawn, source = _pictures(96, 96)
    field = MSNeRV(FOUR_BLOCKS, FieldGeometry(1, 96, 96, RGB)).requires_grad_(False)
    for parameter in field.parameters():
        parameter.copy_(0.3 * torch.randn_like(parameter))
    features = field.features(torch.tensor([0]))
    config = LossConfig("adaptive", multi_resolution=True, high_frequency=True, auxiliary_fades=False)
    distortion = Distortion(config, field).requires_grad_(False)
    boosted = np.stack(
        [boost(p, t, 1.0)[0].double().numpy() for p, t in zip(*map(_tensors, (drawn, source)), strict=True)]
    )
    structure = 1 - np.mean([_ms_ssim(*planes) for planes in zip(drawn, boosted, strict=True)])
    expected = 0.6 * np.mean((drawn - boosted) ** 2) + 0.3 * np.mean(np.abs(drawn - boosted)) + 0.1 * structure
    for level, (factor, alpha) in enumerate([(8, 0.9), (4, 0.8), (2, 0.7)]):
        x = np.pad(features[1 + level][0].double().numpy(), ((1, 1), (1, 1), (0, 0)))
        head = distortion.heads[level]
        weight, bias = (each.double().numpy() for each in (head.weight, head.bias))
        size = 96 // factor
        small, target = np.empty((3, size, size)), np.empty((3, size, size))
        for plane, row, column in np.ndindex(3, size, size):
            near = x[row : row + 3, column : column + 3].transpose(2, 0, 1)
            small[plane, row, column] = (weight[plane] * near).sum() + bias[plane]
            cell = source[plane, row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
            target[plane, row, column] = cell.max()
        expected += _supervised(small, target, alpha)
    loss = distortion(_tensors(drawn), _tensors(source), features, torch.tensor(distortion.fade(0.3)))
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def _cubic(distance: float) -> float:
    x = abs(distance)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def _bicubic(count: int, factor: int) -> Array:
    """What each of ``count`` samples weighs for each of a ``factor``-th of them: a kernel as wide as it shrinks."""
    rows = []
    for place in range(count // factor):
        centre = (place + 0.5) * factor
        weights = np.array([_cubic((sample + 0.5 - centre) / factor) for sample in range(count)])
        rows.append(weights / weights.sum())
    return np.array(rows)


@pytest.mark.parametrize("how", ["max", "average", "direct", "bicubic"])
def test_smaller_targets(how: str) -> None:
    """Table 5."""
    _, (plane,) = _pictures(24, 40, planes=1)
    small = shrunken(_tensors(plane[None]), ChromaFormat.GREY, 4, (6, 10), how)[0, 0]
    if how == "bicubic":
        expected = (_bicubic(24, 4) @ plane @ _bicubic(40, 4).T).clip(0, 1)
    else:
        expected = np.empty((6, 10))
        for row, column in np.ndindex(6, 10):
            cell = plane[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            expected[row, column] = {"max": cell.max(), "average": cell.mean(), "direct": cell[0, 0]}[how]
    np.testing.assert_allclose(small, expected, atol=1e-5)
    if how in ("max", "average"):  # a cascade of halvings is the same
        halves = shrunken(_tensors(plane[None]), ChromaFormat.GREY, 2, (12, 20), how)
        again = shrunken(tuple(halves[0][:, None]), ChromaFormat.GREY, 2, (6, 10), how)
        torch.testing.assert_close(again[0, 0], small)


def test_chroma_of_an_odd_number_of_samples_is_pooled_where_it_is_seen() -> None:
    luma, chroma = torch.rand(1, 18, 18), torch.rand(1, 9, 9)
    small = shrunken((luma, chroma, chroma), YUV420, 3, (6, 6))
    assert small[0, 0, 1, 2] == luma[0, 3:6, 6:9].max()
    assert small[0, 1, 1, 2] == chroma[0, 1:3, 3:5].max()  # luma 3 to 5 and 6 to 8


@pytest.mark.parametrize("how", ["max", "average", "direct", "bicubic"])
def test_a_border_that_cells_overhang_is_pooled_like_all_others(how: str) -> None:
    """Cells are as large as everywhere, whatever of the last one the picture fills."""
    plane = torch.rand(1, 26, 50)
    small = shrunken((plane,), ChromaFormat.GREY, 8, (6, 9), how)
    assert small.shape == (1, 1, 6, 9)
    torch.testing.assert_close(small[..., :2, :5], shrunken((plane,), ChromaFormat.GREY, 8, (4, 7), how)[..., :2, :5])
    assert how == "bicubic" or bool((small[..., 4:, :6] == small[..., 4:5, :6]).all())


QSNERV = QSNeRVConfig((3, 2, 2), (1, 3, 3), 6, (6, 5, 4), 3)


@pytest.mark.parametrize("build", [
    lambda geometry: MSNeRV(FOUR_BLOCKS, geometry), lambda geometry: QSNeRV(QSNERV, geometry),
], ids=["msnerv", "qsnerv"])  # fmt: skip
def test_tiles_are_supervised_as_their_part_of_the_picture(
    moving: Callable[[VideoFormat, int], list[tuple[npt.NDArray[np.integer], ...]]],
    build: Callable[[FieldGeometry], VideoField],
) -> None:
    """Each tile, its margin left out, has the targets that the whole picture has there."""
    torch.manual_seed(0)
    video = VideoFormat(250, 134)
    field = build(FieldGeometry(2, video.height, video.width, YUV420)).requires_grad_(False)
    for parameter in field.parameters():
        parameter.copy_(0.2 * torch.randn_like(parameter))
    flat, clip, frames = FlatField(field), Clip.load(moving(video, 2), video, 2), torch.tensor([1])
    config = LossConfig(multi_resolution=True, auxiliary_fades=False, dots=0)
    distortion, plain = Distortion(config, field).requires_grad_(False), Distortion(LossConfig(dots=0), field)
    base = tuple(-(-side // field.scale) for side in (video.height, video.width))

    def supervision(painter: Painter) -> float:
        (planes, features), targets, tile = painter.train(flat.vector.detach(), clip, frames)
        whole = distortion(planes, targets, features, torch.tensor(1.0), tile)
        return float(whole - plain(planes, targets, features, None))

    windows = tiles((4, 5), (base[0], base[1]))
    whole = supervision(Painter(flat, [], print))
    parts = [(window.rows * window.columns, supervision(Painter(flat, [window], print))) for window in windows]
    assert len(parts) > 3 and min(part for _, part in parts) > 0
    assert sum(size * part for size, part in parts) / math.prod(base) == pytest.approx(whole, rel=1e-3)


def test_a_fit_tells_its_steps_what_they_are_for(
    moving: Callable[[VideoFormat, int], list[tuple[npt.NDArray[np.integer], ...]]],
) -> None:
    """The stages of TeNeRV's loss, and MSNeRV's auxiliary terms, in the steps of a fit."""
    video = VideoFormat(48, 24)
    field = MSNeRV(FOUR_BLOCKS, FieldGeometry(2, 24, 48, YUV420))
    painter = Painter(FlatField(field), [], print)
    loss = LossConfig(
        "l1_ms_ssim", structure_from=0.5, multi_resolution=True, auxiliary_until=0.8, auxiliary_fades=False
    )
    fit = Fit(
        painter, Clip.load(moving(video, 2), video, 2), FitConfig(), loss, Goal(None, None, 30).weight(), Budget(10)
    )
    kinds: list[Kind] = []
    take = fit.stepper.take
    fit.stepper.take = lambda kind, *rest: (kinds.append(kind), take(kind, *rest))[1]  # type: ignore[method-assign]
    fit.run(lambda event: None)
    assert [kind.structured for kind in kinds] == [False] * 5 + [True] * 5
    assert [kind.fading for kind in kinds] == [True] * 8 + [False] * 2


def test_drawing_is_what_a_step_is_given() -> None:
    """Features of whole pictures come as they are."""
    field = MSNeRV(FOUR_BLOCKS, FieldGeometry(1, 24, 48, RGB))
    drawing: Drawing = field(torch.tensor([0]))
    assert [tuple(each.shape[1:3]) for each in drawing.features] == [(1, 2), (3, 6), (6, 12), (12, 24), (24, 48)]
