"""Peak signal-to-noise ratio, per plane and in the combinations of the field."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nvcodec.color import has_rgb, yuv_to_rgb
from nvcodec.types import ChromaFormat, CodeValues, Planes, VideoFormat

MAX_PSNR_DB = 100.0
"""Reported for identical pictures, whose PSNR is infinite, so that means stay finite."""


def squared_error(reference: CodeValues, test: CodeValues) -> float:
    """Mean squared error of two planes, in squared code values."""
    difference = reference.astype(np.int32) - test.astype(np.int32)
    return float(np.mean(np.square(difference, dtype=np.int64)))


def psnr_db(error: float, peak: int) -> float:
    """PSNR of a mean squared error, capped at :data:`MAX_PSNR_DB`."""
    if error <= 0:
        return MAX_PSNR_DB
    return min(10 * math.log10(peak * peak / error), MAX_PSNR_DB)


def frame_psnr(reference: Planes, test: Planes, video: VideoFormat) -> dict[str, float]:
    """PSNR of one YUV picture.

    Args:
        reference: Source planes of ``video``.
        test: Planes of the same shapes.
        video: Their format; its matrix and range say what RGB means.

    Returns:
        ``y``, ``u``, ``v`` of the planes; ``yuv_611`` = (6 y + u + v) / 8; ``rgb`` from the mean squared error of all
        RGB samples, both pictures converted with the signalled matrix and rounded. In dB. Grey has ``y`` and, equal to
        it, ``yuv_611`` alone; of a matrix that cannot be converted, ``rgb`` is not there.
    """
    found = [psnr_db(squared_error(a, b), video.peak) for a, b in zip(reference, test, strict=True)]
    values = dict(zip(("y", "u", "v"), found, strict=False)) | {"yuv_611": psnr_611(found)}
    if len(found) == 3 and has_rgb(video):
        values["rgb"] = rgb_psnr(yuv_to_rgb(reference, video), yuv_to_rgb(test, video), video.peak)
    return values


def psnr_611(planes_db: Sequence[float]) -> float:
    """The PSNR in dB of Y, U and V together, in which Y counts six times; that of Y where there is no chroma."""
    if len(planes_db) == 1:
        return planes_db[0]
    y, u, v = planes_db
    return (6 * y + u + v) / 8


def rgb_psnr(reference: Planes, test: Planes, peak: int) -> float:
    """PSNR of one RGB picture over all its samples, in dB."""
    errors = [squared_error(a, b) for a, b in zip(reference, test, strict=True)]
    return psnr_db(sum(errors) / 3, peak)


def is_rgb(video: VideoFormat) -> bool:
    """Whether planes of this format are R, G and B."""
    return video.chroma is ChromaFormat.RGB
