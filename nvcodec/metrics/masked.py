"""PSNR of the parts of a video that a mask tells apart: what was filled in, and what was coded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nvcodec.io.mask import Mask, Picture
from nvcodec.metrics.psnr import psnr_611, psnr_db
from nvcodec.types import ChromaFormat, Planes, VideoFormat


@dataclass(frozen=True)
class MaskedPsnr:
    """PSNR inside and outside of a mask, in dB; means over frames.

    Papers differ: D-NeRV reports the first alone, HNeRV and Boost the PSNR of the whole picture.
    """

    share: float
    """Share of the luma samples that is masked."""
    inside: float
    """Of what was filled in, over the frames that have any. 6:1:1 over Y, U and V; over all samples of RGB and grey."""
    outside: float


class MaskedMeasurement:
    """Adds up what a mask tells apart, frame by frame.

    Args:
        mask: What is masked.
        video: Format of both videos.
    """

    def __init__(self, mask: Mask, video: VideoFormat) -> None:
        self.mask, self.video = mask, video
        self._inside: list[float] = []
        self._outside: list[float] = []
        self._shares: list[float] = []

    def add(self, reference: Planes, test: Planes) -> None:
        """Take in the next frame."""
        masked = self.mask.planes(len(self._shares), self.video.chroma)
        self._shares.append(float(masked[0].mean()))
        if masked[0].any():
            self._inside.append(self._psnr_db(reference, test, masked))
        if not masked[0].all():
            self._outside.append(self._psnr_db(reference, test, tuple(~part for part in masked)))

    def result(self) -> MaskedPsnr:
        """The means."""
        return MaskedPsnr(*(float(np.mean(values)) for values in (self._shares, self._inside, self._outside)))

    def _psnr_db(self, reference: Planes, test: Planes, counted: tuple[Picture, ...]) -> float:
        errors = []
        for expected, drawn, where in zip(reference, test, counted, strict=True):
            difference = expected[where].astype(np.int64) - drawn[where]
            errors.append(float(np.mean(np.square(difference))) if difference.size else 0.0)
        if self.video.chroma is ChromaFormat.RGB:
            return psnr_db(sum(errors) / 3, self.video.peak)
        return psnr_611([psnr_db(error, self.video.peak) for error in errors])
