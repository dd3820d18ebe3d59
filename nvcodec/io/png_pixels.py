"""The samples of a PNG file, of whatever kind, as 8-bit RGB."""

from __future__ import annotations

from contextlib import suppress

import av
import numpy as np
import numpy.typing as npt

from nvcodec.errors import InputError
from nvcodec.types import Planes

DEPTHS = {0: (1, 2, 4, 8), 2: (8,), 3: (1, 2, 4, 8), 4: (8,), 6: (8,)}
"""Colour type in the file -> bit depths that can be read: grey, RGB, palette, grey and RGB with transparency."""
_STEPS = {"gray": (1, (0, 0, 0)), "ya8": (2, (0, 0, 0)), "rgb24": (3, (0, 1, 2)), "rgba": (4, (0, 1, 2))}
"""Pixel format -> bytes of a sample, and where in them R, G and B lie. Grey of 2 and 4 bits arrives as 8 bits."""


def decode_png(data: bytes, name: str) -> Planes:
    """Decode a PNG file of at most 8 bits: three uint8 planes [height, width], code values 0..255.

    Grey stands in all three; transparency is left out.

    Raises:
        InputError: The data is damaged, or has 16 bits.
    """
    decoder = av.CodecContext.create("png", "r")
    frames: list[av.VideoFrame] = []
    with suppress(av.FFmpegError):
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    if not frames or frames[0].is_corrupt:
        raise InputError(f"{name} cannot be decoded", "The file is damaged: take it again.")
    frame = frames[0]
    kind, lines = frame.format.name, _lines(frame)
    if kind == "monob":  # a bit for each sample
        grey = 255 * np.unpackbits(lines, axis=1, count=frame.width)
        return grey, grey.copy(), grey.copy()
    if kind == "pal8":
        chosen = np.frombuffer(memoryview(frame.planes[1]), np.uint32)[lines[:, : frame.width]]
        red, green, blue = ((chosen >> shift & 255).astype(np.uint8) for shift in (16, 8, 0))
        return red, green, blue
    if kind not in _STEPS:
        raise InputError(
            f"{name} has more than 8 bits per sample, and its header says 8",
            "The file is damaged: take it again.",
        )
    step, places = _STEPS[kind]
    red, green, blue = (lines[:, place : step * frame.width : step].copy() for place in places)
    return red, green, blue


def _lines(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """The bytes of a packed frame, uint8 [height, bytes of a line and its padding]."""
    samples = np.frombuffer(memoryview(frame.planes[0]), np.uint8)
    return samples.reshape(-1, frame.planes[0].line_size)[: frame.height]
