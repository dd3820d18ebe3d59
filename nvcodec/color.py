"""YUV code values to RGB and back, in float arithmetic of our own: every machine gives the same pictures.

Source: Recommendation ITU-T H.273, equations for ``MatrixCoefficients``, whose numbers are used throughout.
Chroma samples sit where MPEG-2, H.264 and HEVC put them by default: on even luma columns, in 4:2:0 midway between two
luma rows. Grey is shown as R = G = B.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nvcodec.errors import UnsupportedError
from nvcodec.types import ChromaFormat, CodeValues, Colour, Planes, VideoFormat

_Floats = npt.NDArray[np.float32]

_RGB, _UNSPECIFIED, _YCGCO, _DERIVED = 0, 2, 8, 12
"""Matrices that are special: the third has no weights, those of the fourth follow from the primaries."""
_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    _YCGCO: (0.25, 0.25),
}
"""H.273 matrix -> weights of red and blue in luma; green has the rest."""
_PRIMARIES = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290)),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), (0.3127, 0.3290)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), (0.3127, 0.3290)),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), (0.3127, 0.3290)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290)),
}
"""H.273 primaries -> x and y of red, green, blue and white."""
_HD_HEIGHT = 720


def yuv_format(format: VideoFormat) -> VideoFormat:
    """The format, with its matrix spelled out, in which the conversions of this module read and write YUV.

    An unspecified matrix becomes BT.709 from 720 rows on and BT.601 below, as players assume. RGB becomes 4:2:0.
    Colours tagged as RGB say nothing about YUV: they get that matrix too, and limited range.

    Raises:
        UnsupportedError: The matrix is none whose conversion is linear and known.
    """
    chroma = ChromaFormat.YUV420 if format.chroma is ChromaFormat.RGB else format.chroma
    colour = format.colour
    if colour.matrix == _RGB:
        colour = replace(colour, full_range=False)
    if colour.matrix in (_RGB, _UNSPECIFIED):
        colour = replace(colour, matrix=1 if format.height >= _HD_HEIGHT else 6)
    if _luma_weights(colour) is None:
        raise UnsupportedError(
            f"cannot convert between YUV and RGB with colour matrix {colour.matrix} (ITU-T H.273)",
            "BT.601 (5, 6), BT.709 (1), FCC (4), SMPTE 240M (7), YCgCo (8) and BT.2020 non-constant luminance (9) can "
            "be; keep the video in YUV",
        )
    return replace(format, chroma=chroma, colour=colour)


def has_rgb(format: VideoFormat) -> bool:
    """Whether :func:`to_rgb` and :func:`rgb_to_yuv` know what RGB such a picture shows."""
    try:
        yuv_format(format)
    except UnsupportedError:
        return False
    return True


def _luma_weights(colour: Colour) -> tuple[float, float] | None:
    """Weights of red and blue in luma; None: luma is no sum of red, green and blue, or not known to be."""
    if colour.matrix != _DERIVED:
        return _LUMA_WEIGHTS.get(colour.matrix)
    if colour.primaries not in _PRIMARIES:
        return None
    # luma is the Y of CIE 1931: amounts of the three that add up to white, times the Y of each
    red, green, blue, white = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in _PRIMARIES[colour.primaries])
    weights = np.linalg.solve(np.stack([red, green, blue], axis=1), white)
    return round(float(weights[0]), 6), round(float(weights[2]), 6)


@dataclass(frozen=True)
class _Scaling:
    """Affine map between code values and Y in 0..1, U and V in -0.5..0.5, and the matrix weights."""

    red: float
    blue: float
    is_ycgco: bool
    luma_offset: float
    luma_range: float
    chroma_offset: float
    chroma_range: float

    @classmethod
    def of(cls, format: VideoFormat) -> _Scaling:
        colour = yuv_format(format).colour
        weights = _luma_weights(colour)
        assert weights is not None
        step = 1 << (format.bit_depth - 8)
        ranges = (0, format.peak, format.peak) if colour.full_range else (16 * step, 219 * step, 224 * step)
        return cls(*weights, colour.matrix == _YCGCO, ranges[0], ranges[1], 128 * step, ranges[2])

    @property
    def spans(self) -> tuple[float, float]:
        """What the differences that U and V stand for span, in units of the largest RGB value.

        Blue and red less luma; of YCgCo green less luma, and half of red less blue.
        """
        return (1, 1) if self.is_ycgco else (2 * (1 - self.blue), 2 * (1 - self.red))


def yuv_to_rgb(planes: Planes, format: VideoFormat) -> Planes:
    """Convert one picture to RGB; chroma is interpolated bilinearly.

    Args:
        planes: (Y, U, V) code values of ``format``, or (Y,).
        format: Size, bit depth, chroma format, matrix and range of the YUV side, read through :func:`yuv_format`.

    Returns:
        (R, G, B), each [height, width], rounded to full-range code values 0..peak of the same bit depth and dtype.

    Raises:
        UnsupportedError: See :func:`yuv_format`.
    """
    scaling = _Scaling.of(format)
    luma = planes[0].astype(np.float32)
    luma -= np.float32(scaling.luma_offset)
    luma *= np.float32(format.peak / scaling.luma_range)
    if format.chroma is ChromaFormat.GREY:
        grey = _rounded(luma, format)
        return grey, grey.copy(), grey.copy()
    # Chroma is scaled where there are few samples, before it is interpolated.
    gain, offset = format.peak / scaling.chroma_range, scaling.chroma_offset
    first, second = (
        _chroma_difference(plane, offset, span * gain, format)
        for plane, span in zip(planes[1:], scaling.spans, strict=True)
    )
    if scaling.is_ycgco:
        magenta = luma - first
        red, green, blue = magenta + second, luma + first, magenta - second
    else:
        blue, red = first, second
        green_weight = 1 - scaling.red - scaling.blue
        green = luma - np.float32(scaling.red / green_weight) * red
        green -= np.float32(scaling.blue / green_weight) * blue
        red += luma
        blue += luma
    return _rounded(red, format), _rounded(green, format), _rounded(blue, format)


def to_rgb(planes: Planes, format: VideoFormat) -> Planes:
    """One picture in RGB at its own bit depth: as it is where it is RGB already, else by :func:`yuv_to_rgb`.

    Raises:
        UnsupportedError: See :func:`yuv_format`.
    """
    return planes if format.chroma is ChromaFormat.RGB else yuv_to_rgb(planes, format)


def rgb_to_yuv(planes: Planes, format: VideoFormat) -> Planes:
    """Convert one RGB picture to YUV; halved chroma is filtered [1 2 1]/4 along rows and [1 1]/2 along columns.

    Args:
        planes: (R, G, B), each [height, width], full-range code values 0..peak.
        format: Size, bit depth, chroma format, matrix and range of the YUV side, read through :func:`yuv_format`.

    Returns:
        (Y, U, V), or (Y,), rounded code values of the same bit depth and dtype, of the shapes of that format.

    Raises:
        UnsupportedError: See :func:`yuv_format`.
    """
    scaling, yuv = _Scaling.of(format), yuv_format(format)
    red, green, blue = (plane.astype(np.float32) for plane in planes)
    luma = green * np.float32(1 - scaling.red - scaling.blue)
    luma += np.float32(scaling.red) * red
    luma += np.float32(scaling.blue) * blue
    if yuv.chroma is ChromaFormat.GREY:
        differences: tuple[_Floats, ...] = ()
    elif scaling.is_ycgco:
        differences = green - luma, np.float32(0.5) * (red - blue)
    else:
        blue -= luma
        red -= luma
        differences = blue, red
    gain = scaling.chroma_range / format.peak
    chroma = []
    for each, span in zip(differences, scaling.spans, strict=False):
        small = _downsampled(each, yuv.chroma.cell)
        small *= np.float32(gain / span)
        small += np.float32(scaling.chroma_offset)
        chroma.append(_rounded(small, format))
    luma *= np.float32(scaling.luma_range / format.peak)
    luma += np.float32(scaling.luma_offset)
    return (_rounded(luma, format), *chroma)


def rechroma(planes: Planes, format: VideoFormat, chroma: ChromaFormat) -> Planes:
    """One YUV picture in another chroma format; luma stays, chroma goes through the filters of the conversions.

    Args:
        planes: (Y, U, V) code values of ``format``, or (Y,).
        format: Theirs; not RGB.
        chroma: The other; grey has no chroma, and chroma of grey is neutral.
    """
    if chroma is format.chroma:
        return planes
    other = replace(format, chroma=chroma)
    if ChromaFormat.GREY in (chroma, format.chroma):
        neutral = 1 << (format.bit_depth - 1)
        return (planes[0], *(format.code_values(np.full(shape, neutral)) for shape in other.plane_shapes[1:]))
    tall, wide = (old > new for old, new in zip(format.chroma.cell, chroma.cell, strict=True))
    rows, columns = (max(1, new // old) for old, new in zip(format.chroma.cell, chroma.cell, strict=True))
    resized = []
    for plane in planes[1:]:
        samples = plane.astype(np.float32)
        samples = _taller(samples)[: format.height] if tall else samples
        samples = _wider(samples)[:, : format.width] if wide else samples
        resized.append(_rounded(_downsampled(samples, (rows, columns)), format))
    return (planes[0], *resized)


def at_depth(planes: Planes, format: VideoFormat, bit_depth: int) -> Planes:
    """One picture at another bit depth: limited range scales by powers of two, full range and RGB by the peaks."""
    if bit_depth == format.bit_depth:
        return planes
    other = replace(format, bit_depth=bit_depth)
    full = format.colour.full_range or format.chroma is ChromaFormat.RGB
    scale = other.peak / format.peak if full else 2.0 ** (bit_depth - format.bit_depth)
    return tuple(
        other.code_values(np.minimum(np.floor(plane * np.float64(scale) + 0.5), other.peak)) for plane in planes
    )


def converted(planes: Planes, format: VideoFormat, wanted: VideoFormat) -> Planes:
    """One picture in another chroma format, at another bit depth, or both; RGB becomes YUV, but not the other way.

    Args:
        planes: Planes of ``format``.
        format: Theirs.
        wanted: Of the same size and, where neither is RGB, of the same colours.

    Raises:
        UnsupportedError: RGB is to become YUV; see :func:`yuv_format`.
    """
    if format.chroma is ChromaFormat.RGB and wanted.chroma is not ChromaFormat.RGB:
        deep = replace(wanted, bit_depth=format.bit_depth)
        return at_depth(rgb_to_yuv(planes, deep), deep, wanted.bit_depth)
    if format.chroma is not wanted.chroma:
        planes = rechroma(planes, format, wanted.chroma)
    return at_depth(planes, replace(format, chroma=wanted.chroma), wanted.bit_depth)


def to_eight_bit(planes: Planes, format: VideoFormat) -> Planes:
    """Round full-range RGB of ``format.bit_depth`` bits to 8 bits: uint8 [height, width], code values 0..255."""
    if format.bit_depth == 8:
        return planes
    eight_bit = replace(format, bit_depth=8)
    scale = np.float32(eight_bit.peak / format.peak)
    return tuple(_rounded(plane.astype(np.float32) * scale, eight_bit) for plane in planes)


def _chroma_difference(plane: CodeValues, offset: float, gain: float, format: VideoFormat) -> _Floats:
    scaled = plane.astype(np.float32)
    scaled -= np.float32(offset)
    scaled *= np.float32(gain)
    return _upsampled(scaled, format)


def _upsampled(plane: _Floats, format: VideoFormat) -> _Floats:
    """Bilinear interpolation of a chroma plane to full size; beyond the edges the last samples repeat."""
    rows, columns = format.chroma.cell
    plane = _taller(plane)[: format.height] if rows == 2 else plane
    return _wider(plane)[:, : format.width] if columns == 2 else plane


def _taller(plane: _Floats) -> _Floats:
    above = np.concatenate([plane[:1], plane[:-1]])
    below = np.concatenate([plane[1:], plane[-1:]])
    tall = np.empty((2 * plane.shape[0], plane.shape[1]), np.float32)
    # A luma row lies a quarter of the chroma spacing from the nearer chroma row.
    tall[0::2] = np.float32(0.75) * plane + np.float32(0.25) * above
    tall[1::2] = np.float32(0.75) * plane + np.float32(0.25) * below
    return tall


def _wider(plane: _Floats) -> _Floats:
    full = np.empty((plane.shape[0], 2 * plane.shape[1]), np.float32)
    full[:, 0::2] = plane
    full[:, 1:-1:2] = np.float32(0.5) * (plane[:, :-1] + plane[:, 1:])
    full[:, -1] = plane[:, -1]
    return full


def _downsampled(plane: _Floats, cell: tuple[int, int]) -> _Floats:
    """Filter [height, width] down to a sample for each cell, in new memory; beyond the edges the last ones repeat."""
    rows, columns = cell
    small: _Floats = plane.copy()
    if rows == 2:
        if len(plane) % 2:
            plane = np.concatenate([plane, plane[-1:]])
        small = plane[0::2] + plane[1::2]
    if columns == 2:
        small = _narrower(small)
    small *= np.float32(1 / (rows * columns**2))
    return small


def _narrower(short: _Floats) -> _Floats:
    """Filter [1 2 1] along the rows, and take every second column."""
    centre = short[:, 0::2]
    odd = short[:, 1::2]
    small: _Floats = 2 * centre
    small[:, 1:] += odd[:, : centre.shape[1] - 1]
    small[:, 0] += short[:, 0]
    small[:, : odd.shape[1]] += odd
    if odd.shape[1] < centre.shape[1]:
        small[:, -1] += short[:, -1]
    return small


def _rounded(values: _Floats, format: VideoFormat) -> CodeValues:
    """Round half up and clip to 0..peak. The cast truncates, which rounds once a half is added."""
    values = values + np.float32(0.5)
    np.clip(values, 0, np.float32(format.peak + 0.5), out=values)
    return format.code_values(values)
