"""A reference and a test video, picture by picture, to the numbers that are reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nvcodec.color import rgb_to_yuv, yuv_to_rgb
from nvcodec.io.mask import Mask
from nvcodec.metrics.masked import MaskedMeasurement, MaskedPsnr
from nvcodec.metrics.psnr import frame_psnr, is_rgb, rgb_psnr
from nvcodec.types import ChromaFormat, Domain, Planes, VideoFormat

PLANE_KEYS = ("y", "u", "v", "yuv_611", "rgb")
"""Names of PSNR. Of grey and of some colour matrices, not all exist; then they are absent."""


def domain_key(domain: Domain) -> str:
    """Which of the :data:`PLANE_KEYS` a fit in this domain is after."""
    return "yuv_611" if domain is Domain.YUV420 else "rgb"


@dataclass
class Measurement:
    """Quality of a test video; means over frames."""

    per_frame: list[dict[str, float]] = field(default_factory=list, repr=False)
    """One entry a frame: PSNR in dB by name, and ``ms_ssim_y``."""
    masked: MaskedPsnr | None = None
    """What a mask tells apart; None: there was none."""

    @property
    def frames(self) -> int:
        """Frames measured."""
        return len(self.per_frame)

    @property
    def psnr(self) -> dict[str, float]:
        """Mean over frames of each PSNR there is, in dB."""
        return means([{key: frame[key] for key in PLANE_KEYS if key in frame} for frame in self.per_frame])

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


def means(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of numbers by name, of those names that all have."""
    names = [name for name in each[0] if all(name in one for one in each)] if each else []
    return {name: float(np.mean([one[name] for one in each])) for name in names}


def with_nulls(psnr: Mapping[str, float]) -> dict[str, float | None]:
    """PSNR by name as JSON has it: what does not exist is null."""
    return {key: psnr.get(key) for key in PLANE_KEYS}


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

    RGB and YUV may meet: planes are compared in YUV and RGB values in RGB, each side converted only where it must be,
    to the chroma format and with the signalled matrix of the side that is YUV; two of RGB in 4:2:0. What a ``mask``
    tells apart is compared in the test's planes.
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
    """A picture of ``video``, RGB or YUV, in the planes of ``wanted``; one of the two says what RGB means."""
    if is_rgb(wanted) == is_rgb(video):
        return planes
    if is_rgb(video):
        return rgb_to_yuv(planes, wanted)
    return yuv_to_rgb(planes, video)


def in_common(reference: VideoFormat, test: VideoFormat) -> VideoFormat:
    """The YUV format in which two videos are compared: what YUV means when one is RGB, the other's tags say."""
    tags = reference if not is_rgb(reference) else test
    return replace(tags, chroma=ChromaFormat.YUV420) if is_rgb(tags) else tags


def _measure_frame(
    reference: Planes, reference_format: VideoFormat, test: Planes, test_format: VideoFormat, ms_ssim: bool
) -> dict[str, float]:
    planar = in_common(reference_format, test_format)

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
