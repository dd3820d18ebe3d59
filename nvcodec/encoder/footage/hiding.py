"""Masked samples in a fit: what they show is taken out of the clip, and nothing is asked of what is drawn there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from nvcodec.encoder.footage.clip import Clip
from nvcodec.io.mask import Mask
from nvcodec.models.base import PlaneTensors

_Values = npt.NDArray[np.uint8] | npt.NDArray[np.int16]
"""Code values as a clip holds them."""


def hide(clip: Clip, mask: Mask) -> Clip:
    """A copy of a clip without what is masked.

    Masked samples take the value that their place has in the nearest frame where it is not masked or, where it always
    is, a smooth continuation of what lies around: a codec of key frames and a content encoder see them.
    """
    count = len(mask.pictures)
    masks = [mask.planes(frame, clip.format.chroma) for frame in range(count)]
    hidden = [torch.from_numpy(np.stack(pictures)) for pictures in zip(*masks, strict=True)]
    planes = [
        torch.from_numpy(_continued(plane.cpu().numpy(), covered.numpy()))
        for plane, covered in zip(clip.planes, hidden, strict=True)
    ]
    return replace(clip, planes=tuple(planes), hidden=tuple(hidden))


def exempt(targets: PlaneTensors, drawn: PlaneTensors, hidden: PlaneTensors | None, fill: float = 0) -> PlaneTensors:
    """Targets of a step that ask for nothing where samples are hidden: there, what is drawn is right.

    Args:
        targets: float32 [B, rows, columns] each.
        drawn: The same shapes.
        hidden: bool, the same shapes; None: nothing is.
        fill: Ask for so much, 0..1, of the way from what is drawn to what stands in for what is hidden.
    """
    if hidden is None:
        return targets
    return tuple(
        torch.where(covered, torch.lerp(plane.detach(), target, fill), target)
        for target, plane, covered in zip(targets, drawn, hidden, strict=True)
    )


def _continued(plane: _Values, hidden: npt.NDArray[np.bool_]) -> _Values:
    """Fill the hidden samples of [T, rows, columns]; ``hidden`` is as long, or of length 1."""
    out: _Values = plane.copy()
    if len(hidden) == 1:
        for picture in out:
            picture[...] = _diffused(picture, hidden[0])
        return out
    behind = _last_seen(plane, hidden, range(len(plane)))
    ahead = _last_seen(plane, hidden, range(len(plane) - 1, -1, -1))
    # one walk goes back in time, so the two cannot be zipped: what lies behind is kept, of masked samples only
    kept = {frame: (values, ages) for frame, values, ages in behind}
    for frame, values, ages in ahead:
        before, before_ages = kept.pop(frame)
        covered = hidden[frame]
        out[frame][covered] = np.where(before_ages <= ages, before, values)
        never = np.zeros_like(covered)
        never[covered] = (before_ages == _NEVER) & (ages == _NEVER)
        if never.any():
            out[frame] = _diffused(out[frame], never)
    return out


_NEVER = np.iinfo(np.int32).max


def _last_seen(
    plane: _Values, hidden: npt.NDArray[np.bool_], order: range
) -> Iterator[tuple[int, _Values, npt.NDArray[np.int32]]]:
    """For each frame the values its hidden samples had when they were last seen, and how many frames ago that was."""
    values = np.zeros_like(plane[0])
    ages = np.full(plane.shape[1:], _NEVER, np.int32)
    for frame in order:
        covered = hidden[frame]
        seen = ~covered
        values[seen] = plane[frame][seen]
        ages[seen] = 0
        ages[covered & (ages < _NEVER)] += 1
        yield frame, values[covered], ages[covered]


def _diffused(picture: _Values, hidden: npt.NDArray[np.bool_]) -> _Values:
    """Fill holes from around them: means of ever larger neighbourhoods, interpolated back down (pull and push)."""
    known = torch.from_numpy(~hidden).to(torch.float32)[None, None]
    values = torch.from_numpy(picture.astype(np.float32))[None, None] * known
    filled = _pulled(values, known)[0, 0].numpy()
    out: _Values = picture.copy()
    out[hidden] = np.rint(filled[hidden])
    return out


def _pulled(values: Tensor, known: Tensor) -> Tensor:
    if bool((known > 0).all()) or max(values.shape[2:]) == 1:
        return values
    weight = F.avg_pool2d(known, 2, ceil_mode=True)
    mean = F.avg_pool2d(values, 2, ceil_mode=True) / weight.clamp_min(1e-6)
    coarse = _pulled(mean * (weight > 0), (weight > 0).to(torch.float32))
    around = F.interpolate(coarse, size=values.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(known > 0, values, around)
