"""Structural similarity, multi-scale (Wang et al., 2003), with fewer scales where a picture is too small for five.

All constants are made on the pictures' device: what the library does instead, to copy them there at each call, waits
for a GPU, and a CUDA graph cannot record it.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from pytorch_msssim import ssim
from pytorch_msssim.ssim import _ssim, gaussian_filter
from torch import Tensor

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_SIGMA = 1.5
WINDOW = 11
_STABLE = (0.01**2, 0.03**2)
_STRIP_ROWS = 90
"""A CPU blurs large pictures six times as quickly in strips that stay in its cache."""


def multi_scale_ssim(first: Tensor, second: Tensor, window: int = WINDOW) -> Tensor:
    """MS-SSIM of two batches of pictures.

    Args:
        first: float [B, C, H, W], range 0..1.
        second: The same shape.
        window: Side of the Gaussian window, odd; shrunk where the picture is smaller.

    Returns:
        Mean over the batch, a scalar. Pictures whose shorter side is not above ``16 * (window - 1)`` are measured on
        as many scales as fit, with the weights rescaled to sum to 1.
    """
    side = min(first.shape[-2:])
    if side == 1:  # which pytorch_msssim would take for an axis that is not there
        return multi_scale_ssim(F.interpolate(first, scale_factor=2), F.interpolate(second, scale_factor=2), window)
    window = _fitting(window, side)
    levels = next((n for n in range(5, 1, -1) if side > (window - 1) * 2 ** (n - 1)), 1)
    taps = _gaussian(window, first)
    if levels == 5:
        return _five_scales(first, second, taps)
    weights = _filled(_WEIGHTS[:levels], first)
    values = []
    for _ in range(levels):
        values.append(ssim(first, second, data_range=1.0, win=taps, nonnegative_ssim=True))
        first, second = (F.avg_pool2d(x, 2, ceil_mode=True) for x in (first, second))
    return _product(_power(torch.stack(values), weights / weights.sum()))


def single_scale_ssim(first: Tensor, second: Tensor, window: int = WINDOW) -> Tensor:
    """SSIM of two batches of pictures (Wang et al., 2004); see :func:`multi_scale_ssim`."""
    side = min(first.shape[-2:])
    if side == 1:
        return single_scale_ssim(F.interpolate(first, scale_factor=2), F.interpolate(second, scale_factor=2), window)
    similarity: Tensor = ssim(first, second, data_range=1.0, win=_gaussian(_fitting(window, side), first))
    return similarity


def _fitting(window: int, side: int) -> int:
    """The window for pictures with such a shorter side: odd, and no larger."""
    return min(window, side if side % 2 else side - 1)


def _five_scales(first: Tensor, second: Tensor, taps: Tensor) -> Tensor:
    """:func:`pytorch_msssim.ms_ssim`, the same to the last bit, but for where its weights come from."""
    factors = []
    for _ in _WEIGHTS[:-1]:
        _, contrast = _similarity(first, second, taps)  # [B, C]
        factors.append(torch.relu(contrast))
        padding = [size % 2 for size in first.shape[2:]]
        first, second = (F.avg_pool2d(x, 2, padding=padding) for x in (first, second))
    whole, _ = _similarity(first, second, taps)
    factors.append(torch.relu(whole))
    return _product(_power(torch.stack(factors), _filled(_WEIGHTS, first).view(-1, 1, 1))).mean()


def _power(values: Tensor, weights: Tensor) -> Tensor:
    """Of similarities of at least 0, without the endless slope at 0 that makes no number of a gradient."""
    above = values > 0
    return torch.where(above, torch.where(above, values, 1.0) ** weights, 0.0)


def _product(factors: Tensor) -> Tensor:
    """Over the first axis. The gradient of torch's own asks the device whether a factor is 0."""
    product: Tensor = functools.reduce(torch.mul, factors)
    return product


def _similarity(first: Tensor, second: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
    """Similarity and contrast of pictures [B, C, H, W], each [B, C]; in strips where nothing is learned from them."""
    if torch.is_grad_enabled() or first.device.type != "cpu":
        similarity, contrast = _ssim(first, second, 1.0, taps)
        return similarity, contrast
    for_mean, for_contrast = _STABLE
    mean_1, mean_2 = _blurred(first, taps), _blurred(second, taps)
    squared_1, squared_2, product = mean_1.pow(2), mean_2.pow(2), mean_1 * mean_2
    variance_1 = _blurred(first * first, taps) - squared_1
    variance_2 = _blurred(second * second, taps) - squared_2
    covariance = _blurred(first * second, taps) - product
    contrasts = (2 * covariance + for_contrast) / (variance_1 + variance_2 + for_contrast)
    similarities = ((2 * product + for_mean) / (squared_1 + squared_2 + for_mean)) * contrasts
    return torch.flatten(similarities, 2).mean(-1), torch.flatten(contrasts, 2).mean(-1)


def _blurred(pictures: Tensor, taps: Tensor) -> Tensor:
    """Pictures [B, C, H, W] through the window, without the margin that it does not reach."""
    overlap = taps.shape[-1] - 1
    tops = range(0, pictures.shape[-2] - overlap, _STRIP_ROWS)
    strips = [gaussian_filter(pictures[..., top : top + _STRIP_ROWS + overlap, :], taps) for top in tops]
    return torch.cat(strips, dim=-2)


def _gaussian(size: int, like: Tensor) -> Tensor:
    """The library's window for pictures [B, C, H, W]: [C, 1, 1, size], sum 1."""
    taps = torch.exp(
        -((torch.arange(size, dtype=torch.float32, device=like.device) - size // 2) ** 2) / (2 * _SIGMA**2)
    )
    return (taps / taps.sum()).repeat(like.shape[1], 1, 1, 1)


def _filled(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Numbers of a tensor's kind, on its device without a copy: [n]."""
    return torch.stack([like.new_full((), value) for value in values])
