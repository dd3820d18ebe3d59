"""Multi-scale structural similarity (Wang et al., 2003), with fewer scales where a picture is too small for five."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pytorch_msssim import ms_ssim, ssim
from torch import Tensor

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW = 11


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
    window = min(window, side if side % 2 else side - 1)
    levels = next((n for n in range(5, 1, -1) if side > (window - 1) * 2 ** (n - 1)), 1)
    if levels == 5:
        full: Tensor = ms_ssim(first, second, data_range=1.0, win_size=window, weights=list(_WEIGHTS))
        return full
    weights = torch.tensor(_WEIGHTS[:levels], device=first.device)
    values = []
    for _ in range(levels):
        values.append(ssim(first, second, data_range=1.0, win_size=window, nonnegative_ssim=True))
        first, second = (F.avg_pool2d(x, 2, ceil_mode=True) for x in (first, second))
    return (torch.stack(values) ** (weights / weights.sum())).prod()
