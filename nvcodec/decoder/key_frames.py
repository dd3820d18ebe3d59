"""Key frames from their AV1 substream: one packet, one picture, whatever the packets hold."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from nvcodec.color import yuv_to_rgb
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import ChromaFormat, Colour, Planes, VideoFormat

_MIN_SIDE = 16
"""SVT-AV1 takes 4, but below 8 its output buffer is too small for what it writes."""
_MAX_UNITS = 32
"""Open bitstream units of one packet; an encoder needs a header and a handful of pictures."""
_SEQUENCE_HEADER = 1
_FRAME_HEADERS = {3, 6, 7}
"""Types of units that begin a picture or show one: a header alone, with its tiles, repeated."""
_HAS_LAYERS, _HAS_SIZE = 0x04, 0x02
"""Bits of a unit's header."""
_REDUCED, _SHOW_EXISTING, _SHOW_FRAME = 0x08, 0x80, 0x10
"""Bits of the first byte of a sequence header, and of a frame header."""


def coded_format(video: VideoFormat) -> VideoFormat:
    """What is coded for pictures of ``video``: sides of 16 or more samples (repeating the last ones), no colour tags.

    The frame rate is only there because encoders want one.
    """
    width, height = max(video.width, _MIN_SIDE), max(video.height, _MIN_SIDE)
    return replace(video, width=width, height=height, fps=Fraction(25), colour=Colour())


def decode_key_frames(packets: Sequence[bytes], video: VideoFormat, number: int = 0) -> list[Planes]:
    """Decode key frames, from the first of a group on.

    Args:
        packets: One for each key frame, in order, as
            :func:`nvcodec.encoder.parts.key_frames.encode_key_frames` makes them.
        video: 8 or 10-bit 4:2:0: what the pictures must be; also bounds what the decoder allocates. Or RGB, which is
            made of such pictures.
        number: That of the first in its stream, for messages.

    Returns:
        Planes of every key frame, of the video's size: (Y, U, V), or (R, G, B).

    Raises:
        BitstreamError: The data is damaged, or its pictures are not of ``video``'s size, depth or chroma format;
            names the first key frame of ``packets`` that cannot be decoded.
        UnsupportedError: PyAV has no AV1 decoder, or nobody knows what RGB the pictures show.
    """
    if video.chroma is ChromaFormat.RGB:
        stored = replace(video, chroma=ChromaFormat.YUV420)
        return [yuv_to_rgb(planes, stored) for planes in decode_key_frames(packets, stored, number)]
    assert video.chroma is ChromaFormat.YUV420
    _require_decoder(video)
    # before the decoder sees them: it would hold all pictures of a packet at once
    whole = packets[: next((index for index, data in enumerate(packets) if not _shows_one(data)), len(packets))]
    try:
        pictures = _all_pictures(whole, video)
    except BitstreamError as error:
        # its threads work ahead: where it complains is not where the damage is
        first = bisect_left(range(len(whole) - 1), True, key=lambda last: _fails(whole[: last + 1], video))
        raise _damaged(number + first, video) from error
    if len(whole) < len(packets):
        raise _damaged(number + len(whole), video)
    return pictures


def _require_decoder(video: VideoFormat) -> None:
    from nvcodec.io.packets import decode_packets  # brings PyAV

    try:
        list(decode_packets([], "av1", video))
    except ValueError as error:
        raise UnsupportedError("PyAV has no AV1 decoder, which key frames need", "pip install -U av") from error


def _all_pictures(packets: Sequence[bytes], video: VideoFormat) -> list[Planes]:
    from nvcodec.io.packets import decode_packets

    pictures = [_cropped(planes, video) for planes in decode_packets(packets, "av1", coded_format(video))]
    if len(pictures) != len(packets):
        raise BitstreamError(f"{len(packets)} AV1 packets hold {len(pictures)} pictures")
    return pictures


def _fails(packets: Sequence[bytes], video: VideoFormat) -> bool:
    try:
        _all_pictures(packets, video)
    except BitstreamError:
        return True
    return False


def _damaged(index: int, video: VideoFormat) -> BitstreamError:
    picture = f"{video.width}x{video.height} {video.bit_depth}-bit"
    return BitstreamError(f"key frame {index} cannot be decoded to a picture of {picture}")


def _cropped(planes: Planes, video: VideoFormat) -> Planes:
    shapes = video.plane_shapes
    y, u, v = (plane[:rows, :columns].copy() for plane, (rows, columns) in zip(planes, shapes, strict=True))
    return y, u, v


def _shows_one(packet: bytes) -> bool:
    """Whether the units of a packet are whole, few, and say that one picture is shown."""
    shown = at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(packet):
            break
        header = packet[at]
        size, start = _size(packet, at + (2 if header & _HAS_LAYERS else 1))
        first = packet[start] if size and start < len(packet) else 0
        kind, at = header >> 3 & 0x0F, start + size
        # a reduced header stands for a single still picture, whose first byte says other things
        if not header & _HAS_SIZE or (kind == _SEQUENCE_HEADER and first & _REDUCED):
            return False
        if kind in _FRAME_HEADERS and first & (_SHOW_EXISTING | _SHOW_FRAME):
            shown += 1
    return shown == 1 and at == len(packet)


def _size(packet: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    size = shift = 0
    for part in packet[at : at + 8]:
        at, size, shift = at + 1, size | (part & 0x7F) << shift, shift + 7
        if part < 0x80:
            break
    return size, at
