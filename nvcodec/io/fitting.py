"""Frames of a kind that no planes of ours can hold, as the nearest kind that can: by FFmpeg's scaler, at their size."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np

from nvcodec.io.av_frames import EXACT, LAYOUTS, component_views
from nvcodec.io.saying import ALPHA, nearest_taken
from nvcodec.io.yuv import check_whole
from nvcodec.types import ChromaFormat, Planes, VideoFormat

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


class RawFitting:
    """Raw pictures of a planar kind of FFmpeg's, as the nearest kind that planes of ours can hold.

    Args:
        pixel_format: What they are; of more than 8 bits two bytes a sample, little-endian.
        like: Their size, rate and range.
    """

    def __init__(self, pixel_format: str, like: VideoFormat) -> None:
        self._pixel_format, self._range = pixel_format, 2 if like.colour.full_range else 1
        found = nearest(pixel_format)
        assert found is not None
        self._held = found
        chroma, bit_depth, _ = LAYOUTS[found]
        self.format = replace(like, chroma=chroma, bit_depth=bit_depth)
        self.notices = [nearest_taken(pixel_format, found)]
        known = av.VideoFormat(pixel_format, like.width, like.height)
        if any(each.is_alpha for each in known.components):
            self.notices.append(ALPHA)
        wide = max(each.bits for each in known.components) > 8
        self._planes = [(each.height, each.width * (1 + wide)) for each in known.components]
        self.frame_bytes = sum(lines * line for lines, line in self._planes)

    def planes(self, data: bytes, where: str) -> Planes:
        """One picture of ``frame_bytes`` bytes as planes of ``format``; ``where`` names it in messages.

        Raises:
            InputError: It is cut off.
        """
        check_whole(data, self.frame_bytes, where)
        frame = av.VideoFrame(self.format.width, self.format.height, self._pixel_format)
        frame.color_range = self._range
        start = 0
        for plane, (lines, line) in zip(frame.planes, self._planes, strict=True):
            memory = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            memory[:lines, :line] = np.frombuffer(data, np.uint8, lines * line, start).reshape(lines, line)
            start += lines * line
        return tuple(view.copy() for view in component_views(fitted(frame, self._held)))


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
