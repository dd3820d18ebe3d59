"""What a finished Matroska file says of its video and PyAV has no way to ask for: sample aspect ratio, light.

It is put into the header in place: the name of the track is written as long as what is to come, and gives way to it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from zlib import crc32

from nvcodec.types import ContentLight, MasteringDisplay, SideData

_SEGMENT, _TRACKS, _TRACK = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae"
_NAME, _VIDEO, _COLOUR, _CRC, _VOID = b"\x53\x6e", b"\xe0", b"\x55\xb0", b"\xbf", b"\xec"
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = b"\x54\xb0", b"\x54\xba", b"\x54\xb2"
_ASPECT_UNIT = 3
_MASTERING, _MAX_CONTENT, _MAX_AVERAGE = b"\x55\xd0", b"\x55\xbc", b"\x55\xbd"
_HEADER_BYTES = 1 << 16
_SIZES = 24
"""Bytes that the lengths of what is changed may grow by, and room for what is left over."""


def placeholder(side_data: SideData) -> str:
    """The name to give the track of a video, so that :func:`tell` has room; empty where there is nothing to tell."""
    said = len(_colour(side_data)) + (len(_display(side_data.aspect, 1 << 32, 1 << 32)) if side_data.aspect else 0)
    return "x" * (said + _SIZES) if said else ""


def tell(path: Path, side_data: SideData, width: int, height: int) -> None:
    """Put into a file what is to be said of its video, in the place of the name of its track.

    Args:
        path: A file that libavformat wrote, with the :func:`placeholder` for a name.
        side_data: Sample aspect ratio, mastering display and content light level are taken.
        width: Of the pictures.
        height: Of the pictures.

    Raises:
        OSError: The file cannot be written.
    """
    name = placeholder(side_data).encode()
    if not name:
        return
    with path.open("r+b") as file:
        head = file.read(_HEADER_BYTES)
        start, tracks = _tracks(head)
        new = b""
        for kind, data, whole in _elements(tracks):
            if kind == _TRACK and name in data:
                new += whole[: -len(data)] + _told(data, side_data, width, height)
            elif kind != _CRC:
                new += whole
        if tracks.startswith(_CRC):
            new = _element(_CRC, struct.pack("<I", crc32(new))) + new
        assert len(new) == len(tracks)
        file.seek(start)
        file.write(new)


def _tracks(head: bytes) -> tuple[int, bytes]:
    """Where the payload of the element that describes tracks starts, and the payload."""
    offset = 0
    while True:
        kind, start, size = _header(head, offset)
        if kind == _TRACKS:
            return start, head[start : start + size]
        offset = start if kind == _SEGMENT else start + size


def _told(track: bytes, side_data: SideData, width: int, height: int) -> bytes:
    """The description of a track, as long as before, with side data and without a name."""
    kept = b""
    for kind, data, raw in _elements(track):
        if kind == _VIDEO:
            display = _display(side_data.aspect, width, height) if side_data.aspect else b""
            colour, children = _colour(side_data), b""
            for child, inner, whole in _elements(data):
                children += _element(child, inner + colour) if child == _COLOUR else whole
                colour = b"" if child == _COLOUR else colour
            kept += _element(kind, children + display + (_element(_COLOUR, colour) if colour else b""))
        elif kind != _NAME:
            kept += raw
    return kept + _void(len(track) - len(kept))


def _display(aspect: Fraction, width: int, height: int) -> bytes:
    """In samples where that is exact, else as a ratio alone."""
    shown = width * aspect
    if shown.denominator == 1:
        return _whole(_DISPLAY_WIDTH, shown.numerator) + _whole(_DISPLAY_HEIGHT, height)
    ratio = shown / height
    sides = _whole(_DISPLAY_WIDTH, ratio.numerator) + _whole(_DISPLAY_HEIGHT, ratio.denominator)
    return sides + _whole(_DISPLAY_UNIT, _ASPECT_UNIT)


def _colour(side_data: SideData) -> bytes:
    said = b"" if side_data.light is None else _light(side_data.light)
    return said if side_data.mastering is None else said + _element(_MASTERING, _mastering(side_data.mastering))


def _light(light: ContentLight) -> bytes:
    return _whole(_MAX_CONTENT, light.max_content) + _whole(_MAX_AVERAGE, light.max_average)


def _mastering(display: MasteringDisplay) -> bytes:
    green, blue, red = display.primaries
    points = [each / 50_000 for point in (red, green, blue, display.white) for each in point] if any(red) else []
    luminances = [display.max_luminance / 10_000, display.min_luminance / 10_000] if display.max_luminance else []
    values = [*enumerate(points), *enumerate(luminances, 8)]
    return b"".join(_element(bytes([0x55, 0xD1 + place]), struct.pack(">d", value)) for place, value in values)


def _whole(kind: bytes, value: int) -> bytes:
    return _element(kind, value.to_bytes(max(1, -(-value.bit_length() // 8)), "big"))


def _element(kind: bytes, data: bytes) -> bytes:
    """An element whose length takes one byte, or two, or four."""
    length = len(data)
    if length < 0x7F:
        return kind + bytes([0x80 | length]) + data
    if length < 0x3FFF:
        return kind + (0x4000 | length).to_bytes(2, "big") + data
    return kind + (0x1000_0000 | length).to_bytes(4, "big") + data


def _void(length: int) -> bytes:
    """An element of ``length`` bytes in all, at least 2, that says nothing."""
    if length < 0x7F + 2:
        return _element(_VOID, bytes(length - 2))
    return _VOID + (0x4000 | length - 3).to_bytes(2, "big") + bytes(length - 3)


def _elements(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, payload and all bytes of each element."""
    offset = 0
    while offset < len(data):
        kind, start, size = _header(data, offset)
        yield kind, data[start : start + size], data[offset : start + size]
        offset = start + size


def _header(data: bytes, offset: int) -> tuple[bytes, int, int]:
    """Kind of an element, where its payload starts, and how long it is."""
    width = 9 - data[offset].bit_length()
    kind, offset = data[offset : offset + width], offset + width
    width = 9 - data[offset].bit_length()
    size = int.from_bytes(data[offset : offset + width], "big") & ((1 << 7 * width) - 1)
    return kind, offset + width, size
