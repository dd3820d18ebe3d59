"""What fields share: channels-last features, and how packed channels become planes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nvcodec.models.base import CellWindow, PlaneTensors
from nvcodec.models.pyramid import chroma_block, chroma_excess, head_channels
from nvcodec.types import ChromaFormat


def unpack(packed: Tensor, factor: int, chroma: ChromaFormat) -> PlaneTensors:
    """Channels of the head to planes.

    Args:
        packed: [B, h, w, channels], ``factor``^2 for the first plane, and the rest in equal parts for the others.
        factor: Samples of the first plane per position, along each axis.
        chroma: Layout of the planes. What it halves and was drawn at full size is halved.

    Returns:
        [B, factor*h, factor*w], and the others of the same size or half of it along an axis.
    """
    luma, block = factor**2, chroma_block(factor, chroma)
    planes = [shuffle(packed[..., :luma], (factor, factor))]
    size = block[0] * block[1]
    for start in range(luma, packed.shape[-1], size):
        planes.append(mean_cells(shuffle(packed[..., start : start + size], block), chroma_excess(factor, chroma)))
    return tuple(planes)


def channels_of(plane: int, factor: int, chroma: ChromaFormat) -> Tensor:
    """Channels of the head that a plane is made of, int64: those that are seen in it where :func:`unpack` puts them."""
    each = torch.eye(head_channels(factor, chroma))[:, None, None]
    return unpack(each, factor, chroma)[plane].flatten(1).any(dim=1).nonzero().squeeze(1)


def begin_smooth(weight: Tensor, factor: int, chroma: ChromaFormat) -> None:
    """Let a head begin as bilinear interpolation: samples of one place begin as neighbours, not as strangers.

    Where there is one sample to a place, everything stays as it is.

    Args:
        weight: Kernels [channels, inputs, 3, 3] as they begin at random, whose channels :func:`unpack` takes apart;
            changed in place. Those of each plane's first channel say what its inputs weigh.
        factor: As in :func:`unpack`.
        chroma: As there.
    """
    if factor == 1:
        return
    start = 0
    for rows, columns in [(factor, factor), *[chroma_block(factor, chroma)] * (chroma.planes - 1)]:
        taps = torch.einsum("ri,cj->rcij", _bilinear(rows), _bilinear(columns)).flatten(0, 1)  # [rows * columns, 3, 3]
        weighed = 3 * weight.data[start, :, 1, 1]  # in all, as much as nine taps at random
        weight.data[start : start + len(taps)] = taps[:, None].to(weight.device) * weighed.clone()[:, None, None]
        start += len(taps)


def _bilinear(count: int) -> Tensor:
    """Weights of a place and its two neighbours at samples spread evenly over the place, [count, 3]."""
    position = (torch.arange(count) + 0.5) / count - 0.5
    return torch.stack([(-position).clamp(min=0), 1 - position.abs(), position.clamp(min=0)], dim=1)


def pack(planes: PlaneTensors, factor: int, chroma: ChromaFormat) -> Tensor:
    """Planes to channels, as :func:`unpack` takes them apart again.

    Args:
        planes: [B, factor*h, factor*w], and the others of the same size or half of it along an axis.
        factor: Samples of the first plane per position, along each axis.
        chroma: Layout of the planes. What it halves is first repeated to full size where the factor is odd.

    Returns:
        [B, h, w, channels].
    """
    block, excess = chroma_block(factor, chroma), chroma_excess(factor, chroma)
    parts = [unshuffle(planes[0], (factor, factor))]
    parts += [unshuffle(repeated(plane, excess), block) for plane in planes[1:]]
    return torch.cat(parts, dim=1).permute(0, 2, 3, 1)


def shuffle(x: Tensor, block: tuple[int, int]) -> Tensor:
    """[B, h, w, rows * columns of a block] -> plane [B, rows*h, columns*w]."""
    batch, height, width, _ = x.shape
    rows, columns = block
    cells = x.reshape(batch, height, width, rows, columns).permute(0, 1, 3, 2, 4)
    return cells.reshape(batch, height * rows, width * columns)


def unshuffle(plane: Tensor, block: tuple[int, int]) -> Tensor:
    """[B, rows*h, columns*w] -> [B, rows * columns of a block, h, w]."""
    batch, height, width = plane.shape
    rows, columns = block
    cells = plane.reshape(batch, height // rows, rows, width // columns, columns).permute(0, 2, 4, 1, 3)
    return cells.reshape(batch, rows * columns, height // rows, width // columns)


def repeated(plane: Tensor, cell: tuple[int, int]) -> Tensor:
    """Each sample of [B, rows, columns] as a cell of equal ones."""
    if cell == (1, 1):
        return plane
    return F.interpolate(plane.unsqueeze(1), scale_factor=cell, mode="nearest").squeeze(1)


def mean_cells(plane: Tensor, cell: tuple[int, int]) -> Tensor:
    """Mean over cells, of fewer samples at an odd end: a full-size chroma plane to the size it is stored in."""
    if cell == (1, 1):
        return plane
    return F.avg_pool2d(plane.unsqueeze(1), cell, ceil_mode=True).squeeze(1)


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


def within(x: Tensor, window: CellWindow, scale: int = 1) -> Tensor:
    """What :func:`cut` leaves, without the margin: [B, h, w, C], ``scale`` places to a base cell."""
    top, left = scale * min(window.top, window.margin), scale * min(window.left, window.margin)
    return x[:, top : top + scale * window.rows, left : left + scale * window.columns]
