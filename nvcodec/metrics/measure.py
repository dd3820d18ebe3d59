"""A reference and a test video, picture by picture, to the numbers that are reported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from nvcodec.color import rgb_to_yuv, yuv_to_rgb
from nvcodec.io.mask import Mask
from nvcodec.metrics.masked import MaskedMeasurement, MaskedPsnr
from nvcodec.metrics.psnr import frame_psnr, is_rgb, rgb_psnr
from nvcodec.types import ChromaFormat, Domain, Planes, VideoFormat

PLANE_KEYS = ("y", "u", "v", "yuv_611", "rgb")


def domain_key(domain: Domain) -> str:
    """Which of the :data:`PLANE_KEYS` a fit in this domain is after."""
    return "yuv_611" if domain is Domain.YUV420 else "rgb"


@dataclass
class Measurement:
    """Quality of a test video; means over frames."""

    per_frame: list[dict[str, float]] = field(default_factory=list)
    """One entry a frame: PSNR in dB by name, and ``ms_ssim_y``."""
    masked: MaskedPsnr | None = None
    """What a mask tells apart; None: there was none."""

    @property
    def frames(self) -> int:
        """Frames measured."""
        return len(self.per_frame)

    @property
    def psnr(self) -> dict[str, float]:
        """Mean over frames of each PSNR, in dB."""
        return {key: float(np.mean([frame[key] for frame in self.per_frame])) for key in PLANE_KEYS}

    @property
    def ms_ssim_y(self) -> float:
        """Mean over frames of the luma MS-SSIM."""
        return float(np.mean([frame["ms_ssim_y"] for frame in self.per_frame]))

    @property
    def worst_frame(self) -> tuple[int, float]:
        """Index and 6:1:1 PSNR in dB of the worst frame."""
        values = [frame["yuv_611"] for frame in self.per_frame]
        index = int(np.argmin(values))
        return index, values[index]


def measure(
    reference: Iterable[Planes],
    reference_format: VideoFormat,
    test: Iterable[Planes],
    test_format: VideoFormat,
    *,
    ms_ssim: bool = True,
    mask: Mask | None = None,
) -> Measurement:
    """Compare two videos of the same size and length.

    RGB and 4:2:0 may meet: planes are compared in 4:2:0 and RGB values in RGB, each side converted only where it must
    be, with the signalled matrix of the side that is 4:2:0. What a ``mask`` tells apart is compared in the test's
    planes.
    """
    result = Measurement()
    masked = None if mask is None else MaskedMeasurement(mask, test_format)
    for expected, drawn in zip(reference, test, strict=True):
        result.per_frame.append(_measure_frame(expected, reference_format, drawn, test_format, ms_ssim))
        if masked is not None:
            masked.add(in_planes_of(test_format, expected, reference_format), drawn)
    if masked is not None:
        result.masked = masked.result()
    return result


def in_planes_of(wanted: VideoFormat, planes: Planes, video: VideoFormat) -> Planes:
    """A picture of ``video``, RGB or 4:2:0, in the planes of ``wanted``; one of the two says what RGB means."""
    if is_rgb(wanted) == is_rgb(video):
        return planes
    if is_rgb(video):
        return rgb_to_yuv(planes, wanted)
    return yuv_to_rgb(planes, video)


def _measure_frame(
    reference: Planes, reference_format: VideoFormat, test: Planes, test_format: VideoFormat, ms_ssim: bool
) -> dict[str, float]:
    # what 4:2:0 means when one side is RGB: the other side's tags
    colour = reference_format if not is_rgb(reference_format) else test_format
    planar = replace(colour, chroma=ChromaFormat.YUV420)

    def in_yuv(planes: Planes, video: VideoFormat) -> Planes:
        return rgb_to_yuv(planes, planar) if is_rgb(video) else planes

    def in_rgb(planes: Planes, video: VideoFormat) -> Planes:
        return planes if is_rgb(video) else yuv_to_rgb(planes, planar)

    expected, drawn = in_yuv(reference, reference_format), in_yuv(test, test_format)
    values = frame_psnr(expected, drawn, planar)
    if is_rgb(reference_format) or is_rgb(test_format):
        values["rgb"] = rgb_psnr(in_rgb(reference, reference_format), in_rgb(test, test_format), planar.peak)
    values["ms_ssim_y"] = _ms_ssim_y(expected, drawn, planar.peak) if ms_ssim else float("nan")
    return values


def _ms_ssim_y(reference: Planes, test: Planes, peak: int) -> float:
    import torch

    from nvcodec.metrics.msssim import multi_scale_ssim

    pictures = [torch.from_numpy(planes[0].astype(np.float32) / peak)[None, None] for planes in (reference, test)]
    return float(multi_scale_ssim(pictures[0], pictures[1]))
