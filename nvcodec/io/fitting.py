"""Frames of a kind that no planes of ours can hold, as the nearest kind that can: by FFmpeg's scaler, at their size."""

from __future__ import annotations

import av

from nvcodec.io.av_frames import EXACT, LAYOUTS
from nvcodec.types import ChromaFormat

_SIDE = 64
"""Of a picture whose chroma is looked at."""
_YUV = {
    (1, 1): "yuv444p",
    (2, 1): "yuv422p",
    (2, 2): "yuv420p",
    (4, 1): "yuv422p",
    (4, 4): "yuv420p",
    (1, 2): "yuv444p",
}
"""Luma samples along and down for each of chroma -> planes with at least as much chroma, but for those of 4:1:0."""
_DEEP = {8: "", 10: "10le", 12: "12le"}


def nearest(pixel_format: str) -> str | None:
    """The pixel format of :data:`LAYOUTS` that keeps most of pictures of another one.

    Of more than 12 bits 12 are kept, transparency is left out, and chroma is rather interpolated than left out. None:
    its samples are no colours, as those of sensors.
    """
    if pixel_format in LAYOUTS:
        return pixel_format
    try:
        known = av.VideoFormat(pixel_format, _SIDE, _SIDE)
    except ValueError:
        return None
    colours = [each for each in known.components if not each.is_alpha]
    if known.is_bayer or not colours or pixel_format.startswith(("xyz", "vaapi", "cuda", "d3d", "qsv")):
        return None
    depth = next(depth for depth in (8, 10, 12, 99) if max(each.bits for each in colours) <= depth)
    deep = _DEEP[min(depth, 12)]
    if known.is_rgb or known.has_palette:
        return f"gbrp{deep}"
    if len(colours) < 3:
        return f"gray{deep}"
    cell = _SIDE // known.chroma_width(_SIDE), _SIDE // known.chroma_height(_SIDE)
    return f"{_YUV[cell]}{deep}" if cell in _YUV else None


def with_chroma(pixel_format: str, chroma: ChromaFormat) -> str:
    """The pixel format of the same depth with other planes."""
    depth = LAYOUTS[pixel_format][1]
    return next(name for name, layout in LAYOUTS.items() if layout[:2] == (chroma, depth))


def is_upside_down(frame: av.VideoFrame) -> bool:
    """Whether lines are stored from the last one up, as in some AVI files: what lies before a plane cannot be read."""
    return any(plane.line_size <= 0 for plane in frame.planes)


def standing(pixel_format: str) -> str:
    """Another pixel format that holds the same samples: going over to it stores lines from the first one down."""
    chroma, depth, _ = LAYOUTS[pixel_format]
    return next(name for name, layout in LAYOUTS.items() if layout[:2] == (chroma, depth) and name != pixel_format)


def fitted(frame: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    """A frame in a pixel format, of the same range and matrix; itself where it has it.

    By one thread: FFmpeg 8 lets the slices of several race for the same lines of packed pictures.
    """
    if frame.format.name == pixel_format:
        return frame
    is_rgb = frame.format.is_rgb or frame.format.has_palette
    range = 2 if is_rgb or frame.format.name.startswith("yuvj") else frame.color_range or 1
    return frame.reformat(
        format=pixel_format,
        src_color_range=range,
        dst_color_range=range,
        src_colorspace="ITU709",
        dst_colorspace="ITU709",
        interpolation=EXACT,
        threads=1,
    )
