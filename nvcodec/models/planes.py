"""What fields share: channels-last features, and how packed channels become planes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nvcodec.models.base import CellWindow, PlaneTensors
from nvcodec.models.pyramid import head_channels
from nvcodec.types import Domain


def unpack(packed: Tensor, factor: int, domain: Domain) -> PlaneTensors:
    """Channels of the head to planes.

    Args:
        packed: [B, h, w, channels], ``factor``^2 for the first plane, and the rest in two equal parts for the others:
            as many, or a quarter where chroma is drawn at half size.
        factor: Samples of the first plane per position, along each axis.
        domain: In 4:2:0, chroma that was drawn at full size is halved.

    Returns:
        [B, factor*h, factor*w], and two of the same size or half of it.
    """
    luma = factor**2
    chroma = (packed.shape[-1] - luma) // 2
    first = shuffle(packed[..., :luma], factor)
    block = factor if chroma == luma else factor // 2
    second = shuffle(packed[..., luma : luma + chroma], block)
    third = shuffle(packed[..., luma + chroma :], block)
    if domain is Domain.YUV420 and chroma == luma:
        return first, halve(second), halve(third)
    return first, second, third


def channels_of(plane: int, factor: int, domain: Domain) -> Tensor:
    """Channels of the head that a plane is made of, int64: those that are seen in it where :func:`unpack` puts them."""
    each = torch.eye(head_channels(factor, domain))[:, None, None]
    return unpack(each, factor, domain)[plane].flatten(1).any(dim=1).nonzero().squeeze(1)


def pack(planes: PlaneTensors, factor: int, domain: Domain) -> Tensor:
    """Planes to channels, as :func:`unpack` takes them apart again.

    Args:
        planes: [B, factor*h, factor*w], and two of the same size or half of it.
        factor: Samples of the first plane per position, along each axis.
        domain: In 4:2:0 with an odd factor, chroma is first repeated to full size.

    Returns:
        [B, h, w, channels].
    """
    first, second, third = (plane.unsqueeze(1) for plane in planes)
    chroma = factor
    if domain is Domain.YUV420:
        if factor % 2 == 0:
            chroma = factor // 2
        else:
            second, third = (F.interpolate(plane, scale_factor=2, mode="nearest") for plane in (second, third))
    parts = [F.pixel_unshuffle(first, factor), *(F.pixel_unshuffle(plane, chroma) for plane in (second, third))]
    return torch.cat(parts, dim=1).permute(0, 2, 3, 1)


def shuffle(x: Tensor, factor: int) -> Tensor:
    """[B, h, w, factor^2] -> plane [B, factor*h, factor*w]."""
    batch, height, width, _ = x.shape
    cells = x.reshape(batch, height, width, factor, factor).permute(0, 1, 3, 2, 4)
    return cells.reshape(batch, height * factor, width * factor)


def halve(plane: Tensor) -> Tensor:
    """Mean over 2x2 samples: a full-size chroma plane to 4:2:0."""
    return F.avg_pool2d(plane.unsqueeze(1), 2, ceil_mode=True).squeeze(1)


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, [B, h, w, C] -> [B, *size, C]."""
    return F.interpolate(x.permute(0, 3, 1, 2), size=size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)


def cut(x: Tensor, window: CellWindow, scale: int = 1) -> Tensor:
    """The part of [B, h, w, C], ``scale`` places to a base cell, that a window and its margin cover.

    Outside the picture the margin simply ends.
    """
    top, left = max(window.top - window.margin, 0), max(window.left - window.margin, 0)
    bottom, right = window.top + window.rows + window.margin, window.left + window.columns + window.margin
    return x[:, scale * top : scale * bottom, scale * left : scale * right]
