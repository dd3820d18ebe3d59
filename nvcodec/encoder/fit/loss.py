"""Distortion: how far drawn planes are from the source, in the sense that a preset asks for."""

from __future__ import annotations

import math
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nvcodec.config.fit import LossConfig
from nvcodec.errors import UsageError
from nvcodec.metrics.msssim import multi_scale_ssim, single_scale_ssim
from nvcodec.models.base import CellWindow, PlaneTensors, PyramidField, VideoField
from nvcodec.models.planes import repeated, unshuffle, within
from nvcodec.types import ChromaFormat

PLANE_WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
"""Y, U, V in the 6:1:1 PSNR."""
_MSE_FLOOR = 1e-7
"""Keeps the logarithm finite on pictures that are already exact (70 dB)."""
_NEARBY = 8
"""Places, along each axis, over which an error is averaged to see whether it comes back from place to place."""
_MS_SSIM_WINDOW = 5
"""HiNeRV's; the usual 11 would need pictures above 160 samples for five scales."""
_COARSE_MSE = 0.9, 0.8, 0.7
"""What MSE counts for in multi-resolution supervision, the coarsest level first; L1 has the rest (MSNeRV Table 4)."""


def picture_error(planes: PlaneTensors, targets: PlaneTensors, chroma: ChromaFormat) -> Tensor:
    """The error whose logarithm is the metric, one per picture, float32 [B].

    Of YUV the weighted geometric mean of the planes' mean squared errors, so that -10 log10 of it *is* the 6:1:1 PSNR
    (NVRC section 3.4 has the same idea), that of Y where there is no chroma; of RGB the mean squared error of all
    samples.
    """
    errors = [(plane - target).square().mean(dim=(1, 2)) for plane, target in zip(planes, targets, strict=True)]
    if chroma is ChromaFormat.RGB:
        return torch.stack(errors).mean(dim=0)
    weights = plane_weights(chroma)
    logs = [weight * torch.log(error + _MSE_FLOOR) for weight, error in zip(weights, errors, strict=True)]
    return torch.stack(logs).sum(dim=0).exp()


def plane_weights(chroma: ChromaFormat) -> tuple[float, ...]:
    """What each plane counts for, 1 in all."""
    if chroma is ChromaFormat.RGB:
        return (1 / 3, 1 / 3, 1 / 3)
    return PLANE_WEIGHTS if chroma.planes == 3 else (1.0,)


class Distortion(nn.Module):
    """Distortion of a step, with the training-only parts of MSNeRV.

    Parameters of this module (the heads of multi-resolution supervision) are trained with the field and thrown away.
    """

    def __init__(self, config: LossConfig, field: VideoField) -> None:
        super().__init__()
        self.config, self.geometry, self.interleaved = config, field.geometry, field.interleaved
        self.scale, self.weights = field.scale, _weights(config)
        self.heads = nn.ModuleList()
        if config.multi_resolution:
            if not isinstance(field, PyramidField):
                raise UsageError("loss.multi_resolution needs a model that draws every frame for itself")
            with torch.no_grad():
                device = next(field.parameters()).device
                pyramid = field.features(torch.zeros(1, dtype=torch.int64, device=device))
            planes = self.geometry.chroma.planes
            self.heads.extend(nn.Conv2d(block.shape[-1], planes, 3, padding=1) for block in pyramid[1:-1])

    def fade(self, progress: float) -> float:
        """Weight of auxiliary terms where the schedule stands, 0..1; 0 where there are none."""
        if not (self.config.high_frequency or self.heads) or not self.config.auxiliary_until:
            return 0.0
        left = max(0.0, 1 - progress / self.config.auxiliary_until)
        return left if self.config.auxiliary_fades else math.ceil(left)

    def is_structured(self, progress: float) -> bool:
        """Whether SSIM or MS-SSIM is part of the loss where the schedule stands, if it ever is."""
        return progress >= self.config.structure_from

    def forward(
        self,
        planes: PlaneTensors,
        targets: PlaneTensors,
        features: list[Tensor],
        fade: Tensor | None,
        tile: CellWindow | None = None,
        *,
        structured: bool = True,
    ) -> Tensor:
        """Distortion of a batch, a scalar.

        Args:
            planes: Drawn planes, float [B, rows, columns], units of the largest code value.
            targets: The source's planes, same shapes.
            features: The field's pyramid, [B, h, w, C], coarse to fine.
            fade: Weight of auxiliary terms, a scalar; None: they are over.
            tile: What ``planes`` show, if not whole pictures; ``features`` have its margin besides.
            structured: See :meth:`is_structured`.
        """
        reference = targets
        if self.config.high_frequency and fade is not None:
            reference = tuple(boost(p, t, fade) for p, t in zip(planes, targets, strict=True))
        loss = self._main(planes, reference, structured)
        if self.config.dots and self.interleaved > 1:
            loss = loss + self.config.dots * self._dots(planes, targets)
        if self.heads and fade is not None:
            loss = loss + fade * self._coarse(features, targets, tile)
        return loss

    def _main(self, planes: PlaneTensors, targets: PlaneTensors, structured: bool) -> Tensor:
        chroma, (squared, absolute, structural) = self.geometry.chroma, self.weights
        terms = []
        if squared:
            terms.append(squared * picture_error(planes, targets, chroma).mean())
        if absolute:
            terms.append(absolute * _absolute(planes, targets, chroma))
        if structural and structured:
            structure = 1 - _structure(planes, targets, chroma, multi_scale=self.config.kind != "l1_ssim")
            if self.config.kind == "ssim":
                # both terms in units of the error: log-sum of the two, so neither swamps the other
                return terms[0] * (1 + structure / structure.detach().clamp_min(1e-4))
            terms.append(structural * structure)
        return reduce(torch.add, terms)

    def _dots(self, planes: PlaneTensors, targets: PlaneTensors) -> Tensor:
        """The part of the error of the first plane that a grid of dots is, in units of the error of all planes."""
        error = planes[0] - targets[0]
        share = repeating(error, self.interleaved) / (error.detach().square().mean() + _MSE_FLOOR)
        return picture_error(planes, targets, self.geometry.chroma).mean().detach() * share

    def _coarse(self, features: list[Tensor], targets: PlaneTensors, tile: CellWindow | None) -> Tensor:
        """Multi-resolution supervision (MSNeRV section 3.2.1): MSE and, where the loss is MSNeRV's, L1, by level."""
        total = torch.zeros((), device=targets[0].device)
        cells = features[0].shape[1]
        for level, (head, block) in enumerate(zip(self.heads, features[1:-1], strict=True)):
            finer = block.shape[1] // cells
            drawn = head(block.float().permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            if tile is not None:
                drawn = within(drawn, tile, finer)
            factor, size = self.scale // finer, (drawn.shape[1], drawn.shape[2])
            small = shrunken(targets, self.geometry.chroma, factor, size, self.config.downsampling)
            difference = drawn.permute(0, 3, 1, 2) - small
            alpha = _COARSE_MSE[min(level, 2)] if self.config.kind == "adaptive" else 1.0
            total = total + alpha * difference.square().mean() + (1 - alpha) * difference.abs().mean()
        return total


def _weights(config: LossConfig) -> tuple[float, float, float]:
    """What the squared error, the absolute one and 1 - (MS-)SSIM count for."""
    return {
        "psnr": (1.0, 0.0, 0.0),
        "ssim": (1.0, 0.0, 1.0),
        "adaptive": (0.6, 0.3, 0.1),
        "hinerv": (0.0, 0.7, 0.3),
        "l1": (0.0, 1.0, 0.0),
        "l1_ssim": (0.0, 1.0, config.alpha),
        "l1_ms_ssim": (0.0, 1.0, config.alpha),
    }[config.kind]


def repeating(error: Tensor, factor: int) -> Tensor:
    """How strongly an error comes back from place to place: its mean square once it is averaged over nearby places.

    Args:
        error: [B, rows, columns].
        factor: Samples of a place, along each axis.

    Returns:
        A scalar; 0 where all samples of a place err alike on average, or where the picture is smaller than a place.
    """
    rows, columns = error.shape[1] // factor, error.shape[2] // factor
    if not rows or not columns:
        return error.new_zeros(())
    samples = unshuffle(error[:, : rows * factor, : columns * factor], (factor, factor))  # [B, factor^2, rows, columns]
    window = min(rows, _NEARBY), min(columns, _NEARBY)
    means = F.avg_pool2d(samples, window, stride=_NEARBY // 2)
    return (means - means.mean(dim=1, keepdim=True)).square().mean()


def boost(plane: Tensor, target: Tensor, strength: Tensor | float) -> Tensor:
    """The target with the high frequencies of the error added (MSNeRV equation 5), clamped to valid values.

    The paper's filter is not given; ours is the identity minus a 5x5 Gaussian of one sample's deviation.
    """
    residual = (target - plane).detach().abs().unsqueeze(1)
    taps = torch.exp(-0.5 * torch.arange(-2, 3, device=plane.device, dtype=plane.dtype) ** 2)
    taps = taps / taps.sum()
    blurred = F.conv2d(F.pad(residual, (2, 2, 2, 2), mode="replicate"), taps.view(1, 1, 1, 5))
    blurred = F.conv2d(blurred, taps.view(1, 1, 5, 1))
    boosted = (target + strength * (residual - blurred).squeeze(1)).clamp(0, 1)
    return torch.where(residual.squeeze(1) > 0, boosted, target)  # what is exact, or hidden, stays


def shrunken(
    targets: PlaneTensors, chroma: ChromaFormat, factor: int, size: tuple[int, int], how: str = "max"
) -> Tensor:
    """Planes made smaller, to one size (MSNeRV section C.1).

    Args:
        targets: [B, rows, columns] each.
        chroma: Their layout.
        factor: Samples of the first plane in each of the result, along each axis.
        size: Rows and columns of the result: borders that it overhangs are replicated.
        how: As :class:`LossConfig` has it. The paper's cascades of halvings are the same at once, but for ``bicubic``,
            which is the usual one for shrinking: its kernel is as wide as what it shrinks.

    Returns:
        float [B, planes, *size].
    """
    planes = []
    for target, cell in zip(targets, [(1, 1), *[chroma.cell] * (chroma.planes - 1)], strict=True):
        whole = tuple(axis if factor % axis else 1 for axis in cell)  # no whole number of samples: first enlarged
        plane = repeated(target, (whole[0], whole[1]))
        tall, wide = (factor * more // axis for more, axis in zip(whole, cell, strict=True))
        low, right = size[0] * tall - plane.shape[1], size[1] * wide - plane.shape[2]
        plane = F.pad(plane.unsqueeze(1), (0, max(right, 0), 0, max(low, 0)), mode="replicate")
        plane = plane[:, :, : size[0] * tall, : size[1] * wide]
        if how == "max":
            planes.append(F.max_pool2d(plane, (tall, wide)))
        elif how == "average":
            planes.append(F.avg_pool2d(plane, (tall, wide)))
        elif how == "direct":
            planes.append(plane[:, :, ::tall, ::wide])
        else:
            planes.append(F.interpolate(plane, size=size, mode="bicubic", antialias=True).clamp(0, 1))
    return torch.cat(planes, dim=1)


def _absolute(planes: PlaneTensors, targets: PlaneTensors, chroma: ChromaFormat) -> Tensor:
    weights = plane_weights(chroma)
    terms = [w * (p - t).abs().mean() for w, p, t in zip(weights, planes, targets, strict=True)]
    return torch.stack(terms).sum()


def _structure(planes: PlaneTensors, targets: PlaneTensors, chroma: ChromaFormat, *, multi_scale: bool) -> Tensor:
    """MS-SSIM or SSIM of luma, or of RGB."""
    used = 3 if chroma is ChromaFormat.RGB else 1
    drawn, target = torch.stack(planes[:used], dim=1), torch.stack(targets[:used], dim=1)
    return multi_scale_ssim(drawn, target, _MS_SSIM_WINDOW) if multi_scale else single_scale_ssim(drawn, target)
