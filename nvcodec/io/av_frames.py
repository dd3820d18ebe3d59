"""Pictures as FFmpeg's libraries hold them, and as planes: copied sample by sample, by line size.

No scaler touches a code value on the way in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import cos, radians, sin
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation

from nvcodec.io.geometry import PIXEL_FORMATS
from nvcodec.types import ChromaFormat, CodeValues, Planes, VideoFormat

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INP
"""How FFmpeg's scaler works where it is asked."""
_JPEG_QUALITY, _LAMBDA = 2, 118
"""The best that its encoder thinks is worth it, in units that its options count in."""
_ONE = 1 << 16
_Component = tuple[int, int, int]
"""Where a component lies: (plane, offset, step), the last two in samples."""
_PLANAR: tuple[_Component, ...] = ((0, 0, 1), (1, 0, 1), (2, 0, 1))
_GBR: tuple[_Component, ...] = ((2, 0, 1), (0, 0, 1), (1, 0, 1))
LAYOUTS: dict[str, tuple[ChromaFormat, int, tuple[_Component, ...]]] = {
    **{name: (*kind, _PLANAR[: kind[0].planes]) for name, kind in PIXEL_FORMATS.items()},
    "yuvj420p": (ChromaFormat.YUV420, 8, _PLANAR),
    "yuvj422p": (ChromaFormat.YUV422, 8, _PLANAR),
    "yuvj444p": (ChromaFormat.YUV444, 8, _PLANAR),
    "nv12": (ChromaFormat.YUV420, 8, ((0, 0, 1), (1, 0, 2), (1, 1, 2))),
    "yuyv422": (ChromaFormat.YUV422, 8, ((0, 0, 2), (0, 1, 4), (0, 3, 4))),
    "uyvy422": (ChromaFormat.YUV422, 8, ((0, 1, 2), (0, 0, 4), (0, 2, 4))),
    "rgb24": (ChromaFormat.RGB, 8, ((0, 0, 3), (0, 1, 3), (0, 2, 3))),
    "bgr24": (ChromaFormat.RGB, 8, ((0, 2, 3), (0, 1, 3), (0, 0, 3))),
    "bgr0": (ChromaFormat.RGB, 8, ((0, 2, 4), (0, 1, 4), (0, 0, 4))),
    "gbrp": (ChromaFormat.RGB, 8, _GBR),
    "gbrp10le": (ChromaFormat.RGB, 10, _GBR),
    "gbrp12le": (ChromaFormat.RGB, 12, _GBR),
}
"""Pixel format -> chroma format, bits per sample, and where Y, U, V or R, G, B lie."""
# FFV1 has no planar 8-bit RGB.
STORED_AS = {
    **{kind: name for name, kind in PIXEL_FORMATS.items()},
    (ChromaFormat.RGB, 8): "bgr0",
    (ChromaFormat.RGB, 10): "gbrp10le",
    (ChromaFormat.RGB, 12): "gbrp12le",
}


def new_frame(width: int, height: int, pixel_format: str, planes: Planes) -> av.VideoFrame:
    """A frame of a pixel format of :data:`LAYOUTS` that holds the samples of ``planes``."""
    frame = av.VideoFrame(width, height, pixel_format)
    for view, plane in zip(component_views(frame), planes, strict=True):
        view[:] = plane
    return frame


def component_views(frame: av.VideoFrame) -> list[CodeValues]:
    """Y, U, V or R, G, B of a frame as writable views into its memory, without the padding of the lines.

    Args:
        frame: Whose lines are stored from the first one down.
    """
    chroma, bit_depth, components = LAYOUTS[frame.format.name]
    format = VideoFormat(frame.width, frame.height, bit_depth=bit_depth, chroma=chroma)
    views: list[CodeValues] = []
    for (plane, offset, step), (rows, columns) in zip(components, format.plane_shapes, strict=True):
        line_bytes = frame.planes[plane].line_size
        memory = memoryview(frame.planes[plane])
        samples: CodeValues = np.frombuffer(memory, np.uint8)
        if bit_depth != 8:
            samples = samples.view(np.uint16)
        lines = samples.reshape(-1, line_bytes // samples.itemsize)
        views.append(lines[:rows, offset::step][:, :columns])
    return views


def encode_jpeg(planes: Planes, aspect: Fraction | None = None) -> bytes:
    """Encode three uint8 planes [height, width] of RGB as a JPEG file of high quality, 4:4:4.

    Args:
        planes: Code values 0..255.
        aspect: Width of a sample divided by its height; None: nothing is said of it.
    """
    height, width = planes[0].shape
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuvj444p", Fraction(1)
    encoder.options = {"flags": "+qscale+bitexact", "global_quality": str(_JPEG_QUALITY * _LAMBDA)}
    if aspect is not None:
        encoder.sample_aspect_ratio = aspect
    frame = new_frame(width, height, "gbrp", planes).reformat(
        format="yuvj444p",
        src_color_range=2,
        dst_color_range=2,
        dst_colorspace="ITU601",
        interpolation=EXACT,
        threads=1,  # as in fitting.fitted
    )
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def attached(frame: av.VideoFrame, kind: str) -> bytes | None:
    """Side data of a frame, of its stream's too, as FFmpeg's structure."""
    try:
        found: Any = frame.side_data.get(kind)
    except ValueError:  # PyAV does not know all kinds there are, Exif's among them
        return None
    return None if found is None else bytes(found)


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """How a frame is to be shown, as nine numbers, see :class:`nvcodec.io.orientation.Orientation`; None: as it is."""
    if (found := attached(frame, "DISPLAYMATRIX")) is not None:
        return struct.unpack("=9i", found[:36])
    if not frame.rotation:
        return None
    cosine, sine = (round(part * _ONE) for part in (cos(radians(frame.rotation)), sin(radians(frame.rotation))))
    return cosine, -sine, 0, sine, cosine, 0, 0, 0, 1 << 30


def encode_png(planes: Planes) -> bytes:
    """Encode three uint8 planes [height, width], code values 0..255, as an 8-bit RGB PNG file."""
    height, width = planes[0].shape
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "rgb24", Fraction(1)
    frame = new_frame(width, height, "rgb24", planes)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@contextmanager
def os_errors() -> Iterator[None]:
    """Raise what FFmpeg says of a file as ``OSError``."""
    try:
        yield
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
