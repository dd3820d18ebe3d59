"""YUV 4:2:0 code values to RGB and back, in float arithmetic of our own: every machine gives the same pictures.

Source: Recommendation ITU-T H.273, equations for ``MatrixCoefficients``; BT.601, BT.709 and BT.2020 for the weights.
Chroma samples sit where MPEG-2, H.264 and HEVC put them by default: on even luma columns, midway between two luma rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nvcodec.errors import UnsupportedError
from nvcodec.types import ChromaFormat, CodeValues, Planes, VideoFormat

_Floats = npt.NDArray[np.float32]

_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""H.273 matrix -> weights of red and blue in luma; green has the rest."""
_RGB, _UNSPECIFIED = 0, 2
_HD_HEIGHT = 720


def yuv420_format(format: VideoFormat) -> VideoFormat:
    """The 4:2:0 format, with its matrix spelled out, in which the conversions of this module read and write YUV.

    An unspecified matrix becomes BT.709 from 720 rows on and BT.601 below, as players assume. Colours tagged as RGB say
    nothing about YUV: they get that matrix too, and limited range.

    Raises:
        UnsupportedError: The matrix is none of BT.601, BT.709 and BT.2020 non-constant luminance.
    """
    colour = format.colour
    if colour.matrix == _RGB:
        colour = replace(colour, full_range=False)
    if colour.matrix in (_RGB, _UNSPECIFIED):
        colour = replace(colour, matrix=1 if format.height >= _HD_HEIGHT else 6)
    if colour.matrix not in _LUMA_WEIGHTS:
        raise UnsupportedError(
            f"cannot convert between YUV and RGB with colour matrix {colour.matrix} (ITU-T H.273)",
            "BT.601 (5, 6), BT.709 (1) and BT.2020 non-constant luminance (9) can be; keep the video in YUV, "
            "or convert it:  ffmpeg -i INPUT -vf colorspace=all=bt709 OUTPUT.y4m",
        )
    return replace(format, chroma=ChromaFormat.YUV420, colour=colour)


@dataclass(frozen=True)
class _Scaling:
    """Affine map between code values and Y in 0..1, U and V in -0.5..0.5, and the matrix weights."""

    red: float
    blue: float
    luma_offset: float
    luma_range: float
    chroma_offset: float
    chroma_range: float

    @classmethod
    def of(cls, format: VideoFormat) -> _Scaling:
        colour = yuv420_format(format).colour
        step = 1 << (format.bit_depth - 8)
        ranges = (0, format.peak, format.peak) if colour.full_range else (16 * step, 219 * step, 224 * step)
        return cls(*_LUMA_WEIGHTS[colour.matrix], ranges[0], ranges[1], 128 * step, ranges[2])


def yuv_to_rgb(planes: Planes, format: VideoFormat) -> Planes:
    """Convert one 4:2:0 picture to RGB; chroma is interpolated bilinearly.

    Args:
        planes: (Y, U, V) code values; [height, width] and twice [(height + 1) // 2, (width + 1) // 2].
        format: Size, bit depth, matrix and range of the YUV side, read through :func:`yuv420_format`.

    Returns:
        (R, G, B), each [height, width], rounded to full-range code values 0..peak of the same bit depth and dtype.

    Raises:
        UnsupportedError: See :func:`yuv420_format`.
    """
    scaling = _Scaling.of(format)
    gain = format.peak / scaling.chroma_range
    luma = planes[0].astype(np.float32)
    luma -= np.float32(scaling.luma_offset)
    luma *= np.float32(format.peak / scaling.luma_range)
    # Chroma is scaled at a quarter of the samples, before it is interpolated.
    blue_minus_luma = _chroma_difference(planes[1], scaling.chroma_offset, 2 * (1 - scaling.blue) * gain, format)
    red_minus_luma = _chroma_difference(planes[2], scaling.chroma_offset, 2 * (1 - scaling.red) * gain, format)
    green_weight = 1 - scaling.red - scaling.blue
    green = luma - np.float32(scaling.red / green_weight) * red_minus_luma
    green -= np.float32(scaling.blue / green_weight) * blue_minus_luma
    red_minus_luma += luma
    blue_minus_luma += luma
    return _rounded(red_minus_luma, format), _rounded(green, format), _rounded(blue_minus_luma, format)


def to_rgb(planes: Planes, format: VideoFormat) -> Planes:
    """One picture in RGB at its own bit depth: as it is where it is RGB already, else by :func:`yuv_to_rgb`.

    Raises:
        UnsupportedError: See :func:`yuv420_format`.
    """
    return planes if format.chroma is ChromaFormat.RGB else yuv_to_rgb(planes, format)


def rgb_to_yuv(planes: Planes, format: VideoFormat) -> Planes:
    """Convert one RGB picture to 4:2:0; chroma is filtered [1 2 1]/4 along rows and [1 1]/2 along columns.

    Args:
        planes: (R, G, B), each [height, width], full-range code values 0..peak.
        format: Size, bit depth, matrix and range of the YUV side, read through :func:`yuv420_format`.

    Returns:
        (Y, U, V) rounded code values of the same bit depth and dtype; [height, width] and twice
        [(height + 1) // 2, (width + 1) // 2].

    Raises:
        UnsupportedError: See :func:`yuv420_format`.
    """
    scaling = _Scaling.of(format)
    red, green, blue = (plane.astype(np.float32) for plane in planes)
    green *= np.float32(1 - scaling.red - scaling.blue)
    luma = green
    luma += np.float32(scaling.red) * red
    luma += np.float32(scaling.blue) * blue
    blue -= luma
    red -= luma
    gain = scaling.chroma_range / format.peak
    chroma = []
    for difference, weight in ((blue, scaling.blue), (red, scaling.red)):
        small = _downsampled(difference)
        small *= np.float32(gain / (2 * (1 - weight)))
        small += np.float32(scaling.chroma_offset)
        chroma.append(_rounded(small, format))
    luma *= np.float32(scaling.luma_range / format.peak)
    luma += np.float32(scaling.luma_offset)
    return _rounded(luma, format), chroma[0], chroma[1]


def to_eight_bit(planes: Planes, format: VideoFormat) -> Planes:
    """Round full-range RGB of ``format.bit_depth`` bits to 8 bits: uint8 [height, width], code values 0..255."""
    if format.bit_depth == 8:
        return planes
    eight_bit = replace(format, bit_depth=8)
    scale = np.float32(eight_bit.peak / format.peak)
    red, green, blue = (_rounded(plane.astype(np.float32) * scale, eight_bit) for plane in planes)
    return red, green, blue


def _chroma_difference(plane: CodeValues, offset: float, gain: float, format: VideoFormat) -> _Floats:
    scaled = plane.astype(np.float32)
    scaled -= np.float32(offset)
    scaled *= np.float32(gain)
    return _upsampled(scaled, format.height, format.width)


def _upsampled(plane: _Floats, height: int, width: int) -> _Floats:
    """Bilinear interpolation to [height, width]; beyond the edges the last samples repeat."""
    rows, columns = plane.shape
    above = np.concatenate([plane[:1], plane[:-1]])
    below = np.concatenate([plane[1:], plane[-1:]])
    tall = np.empty((2 * rows, columns), np.float32)
    # A luma row lies a quarter of the chroma spacing from the nearer chroma row.
    tall[0::2] = np.float32(0.75) * plane + np.float32(0.25) * above
    tall[1::2] = np.float32(0.75) * plane + np.float32(0.25) * below
    tall = tall[:height]
    full = np.empty((height, 2 * columns), np.float32)
    full[:, 0::2] = tall
    full[:, 1:-1:2] = np.float32(0.5) * (tall[:, :-1] + tall[:, 1:])
    full[:, -1] = tall[:, -1]
    return full[:, :width]


def _downsampled(plane: _Floats) -> _Floats:
    """Filter [height, width] down to half size rounded up; beyond the edges the last samples repeat."""
    if len(plane) % 2:
        plane = np.concatenate([plane, plane[-1:]])
    short = plane[0::2] + plane[1::2]
    centre = short[:, 0::2]
    odd = short[:, 1::2]
    small = 2 * centre
    small[:, 1:] += odd[:, : centre.shape[1] - 1]
    small[:, 0] += short[:, 0]
    small[:, : odd.shape[1]] += odd
    if odd.shape[1] < centre.shape[1]:
        small[:, -1] += short[:, -1]
    small *= np.float32(0.125)
    return small


def _rounded(values: _Floats, format: VideoFormat) -> CodeValues:
    """Round half up and clip to 0..peak. The cast truncates, which rounds once a half is added."""
    values = values + np.float32(0.5)
    np.clip(values, 0, np.float32(format.peak + 0.5), out=values)
    return values.astype(np.uint8) if format.bit_depth == 8 else values.astype(np.uint16)
