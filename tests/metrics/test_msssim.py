"""MS-SSIM of pictures of any size."""

from __future__ import annotations

import pytest
import torch

from nvcodec.metrics.msssim import multi_scale_ssim

torch.set_num_threads(1)


def _picture(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (0.5 + 0.3 * torch.sin(x / 5.0) + 0.2 * torch.cos(y / 4.0 + x / 9.0))[None, None]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (11, 11), (37, 53), (90, 160), (176, 200)])
def test_identical_pictures_are_one_and_worse_ones_less(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    picture = _picture(*size)
    assert multi_scale_ssim(picture, picture).item() == pytest.approx(1, abs=1e-5)
    noise = torch.randn_like(picture)
    values = [multi_scale_ssim(picture, (picture + s * noise).clamp(0, 1)).item() for s in (0.02, 0.1, 0.5)]
    assert all(0 <= value <= 1 for value in values)
    if min(size) > 2:
        assert 1 > values[0] > values[1] > values[2]


def test_a_shift_of_brightness_hurts_less_than_lost_structure() -> None:
    picture = _picture(176, 192)
    flat = torch.full_like(picture, picture.mean().item())
    assert multi_scale_ssim(picture, (picture + 0.05).clamp(0, 1)) > 0.9 > 0.5 > multi_scale_ssim(picture, flat)


def test_scales_change_little_where_five_just_fit() -> None:
    torch.manual_seed(0)
    values = []
    for side in (160, 161):  # four and five scales
        picture = _picture(side, side)
        values.append(multi_scale_ssim(picture, (picture + 0.05 * torch.randn_like(picture)).clamp(0, 1)).item())
    assert values[0] == pytest.approx(values[1], abs=0.02)


@pytest.mark.parametrize("size", [(161, 201), (288, 352), (371, 163)])
def test_strips_measure_what_whole_pictures_do(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    first = _picture(*size)
    second = (first + 0.1 * torch.randn_like(first)).clamp(0, 1)
    with torch.no_grad():
        in_strips = multi_scale_ssim(first, second).item()
    assert in_strips == pytest.approx(multi_scale_ssim(first, second).item(), abs=1e-6)


@pytest.mark.parametrize("size", [(90, 100), (40, 48)], ids=["five scales", "fewer"])
def test_pictures_that_are_each_others_negatives_can_be_learned_from(size: tuple[int, int]) -> None:
    """Where similarity is at its end, what brings it there has no slope; it must not be no number."""
    torch.manual_seed(0)
    source = torch.rand(1, 1, *size)
    drawn = (1 - source).requires_grad_()
    value = multi_scale_ssim(drawn, source, 5)
    value.backward()
    assert value == 0 and drawn.grad is not None and bool(torch.isfinite(drawn.grad).all())
