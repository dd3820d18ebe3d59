"""YUV4MPEG2 (Y4M): raw pictures behind one line of header, the pipe format of video tools.

Source: the yuv4mpeg(5) manual page of mjpegtools; ``C420p10``, the like and ``XCOLORRANGE`` as FFmpeg writes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO, final

from nvcodec.errors import InputError
from nvcodec.io.geometry import checked_size, describe
from nvcodec.io.saying import INTERLACED, only_before
from nvcodec.io.yuv import split_planes, write_planes
from nvcodec.types import NOTHING_SAID, ChromaFormat, Colour, Planes, SideData, VideoFormat

MAGIC = b"YUV4MPEG2"
"""First bytes of every Y4M stream."""

_FRAME = b"FRAME"
_MAX_LINE_BYTES = 1024
_KINDS = {
    **dict.fromkeys(("420", "420jpeg", "420mpeg2", "420paldv"), (ChromaFormat.YUV420, 8)),
    **{f"420p{depth}": (ChromaFormat.YUV420, depth) for depth in (10, 12)},
    **{f"422{deep}": (ChromaFormat.YUV422, depth) for deep, depth in (("", 8), ("p10", 10), ("p12", 12))},
    **{f"444{deep}": (ChromaFormat.YUV444, depth) for deep, depth in (("", 8), ("p10", 10), ("p12", 12))},
    **{f"mono{deep}": (ChromaFormat.GREY, depth) for deep, depth in (("", 8), ("10", 10), ("12", 12))},
}
"""C tag -> chroma format and bits per sample."""
_OTHERS = {
    "411": "yuv411p",
    "444alpha": "yuva444p",
    **{f"{sampling}p{depth}": f"yuv{sampling}p{depth}le" for sampling in (420, 422, 444) for depth in (9, 14, 16)},
    **{f"mono{depth}": f"gray{depth}le" for depth in (9, 14, 16)},
}
"""C tags of pictures that no planes of ours can hold -> FFmpeg's name of theirs."""
_TAGS = {**{kind: tag for tag, kind in _KINDS.items()}, (ChromaFormat.YUV420, 8): "420mpeg2"}
_LOCATIONS = {None: "mpeg2", 1: "jpeg", 2: "paldv"}
"""Chroma sample location type of ITU-T H.273, None for type 0 -> ending of the chroma tag. ``C420`` alone says none."""
_DAMAGED = "The stream is damaged, or its writer failed: take it again."


@final
class Y4mReader:
    """Pictures of a Y4M stream; a file is reached by byte offset, a pipe is read through.

    Pictures of a kind that no planes of ours can hold become those of the nearest kind that can.

    Args:
        stream: Binary stream at its start; closed with the reader.
        name: What messages call it.
        allow_truncated: End at a frame that is cut off, with a notice.

    Raises:
        InputError: The header is not Y4M, is damaged or says something unsupported; a file holds no frames.
    """

    def __init__(self, stream: BinaryIO, name: str, allow_truncated: bool = False) -> None:
        self.choosable = False
        self._stream = stream
        self._name = name
        self._allow_truncated = allow_truncated
        header = _read_line(stream, name)
        self.format, pixel_format = parse_header(header, name)
        self._side_data, self.notices = parse_side_data(header, name)
        self.bottom_first = _tags(header)[0].get("I") == "b"
        self._frame_bytes, self._fitting = self.format.frame_bytes, None
        if pixel_format is not None:
            from nvcodec.io.fitting import RawFitting  # it takes PyAV, and most streams do not

            self._fitting = RawFitting(pixel_format, self.format)
            self.format, self._frame_bytes = self._fitting.format, self._fitting.frame_bytes
            self.notices += self._fitting.notices
        self.origin = f"geometry {describe(self.format)} (from the Y4M header)"
        self._offsets = self._frame_offsets() if stream.seekable() else []
        self.frame_count: int | None = len(self._offsets) if stream.seekable() else None
        if self.frame_count == 0:
            raise self._no_frames()

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield the pictures from number ``first`` on.

        Raises:
            InputError: A frame is damaged or cut off, or a pipe held none.
        """
        if self._offsets:
            self._stream.seek(self._offsets[first])
        index = first if self._offsets else 0
        while _next_frame(self._stream, self._name, index):
            data = self._stream.read(self._frame_bytes)
            if len(data) < self._frame_bytes and index and self._allow_truncated:
                self.notices.append(only_before(f"frame {index} is cut off", index))
                break
            if index >= first:
                where = f"{self._name}: frame {index}"
                yield self._fitting.planes(data, where) if self._fitting else split_planes(data, self.format, where)
            index += 1
        if index == 0:
            raise self._no_frames()
        self.frame_count = index

    def said(self, _first: int, _count: int) -> SideData:
        """Side data of some of the frames."""
        return self._side_data

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def _frame_offsets(self) -> list[int]:
        """Byte offset of each frame header. They are walked, since a header may carry parameters."""
        offset = self._stream.tell()
        end = self._stream.seek(0, os.SEEK_END)
        offsets: list[int] = []
        while offset < end:
            self._stream.seek(offset)
            if self._allow_truncated and offsets and end - offset < len(_FRAME) + 1 + self._frame_bytes:
                offsets.append(offset)  # met again, and told, when pictures are read
                break
            _next_frame(self._stream, self._name, len(offsets))
            offsets.append(offset)
            offset = self._stream.tell() + self._frame_bytes
        return offsets

    def _no_frames(self) -> InputError:
        return InputError(f"{self._name} holds no frames", "It ends after the Y4M header; did its writer fail?")


@final
class Y4mWriter:
    """Writes YUV pictures to a binary stream, which it closes in the end.

    An unknown frame rate is written as ``F0:0``, which other programs read as unknown too, never as a made-up one.

    Args:
        stream: Where to write.
        format: Of the pictures.
        side_data: Of which the sample aspect ratio and, of 8 bit, the chroma locations of its tags are written.
    """

    def __init__(self, stream: BinaryIO, format: VideoFormat, side_data: SideData = NOTHING_SAID) -> None:
        rate = f"{format.fps.numerator}:{format.fps.denominator}" if format.fps else "0:0"
        chroma = _TAGS[format.chroma, format.bit_depth]
        if (format.chroma, format.bit_depth) == (ChromaFormat.YUV420, 8):
            chroma = f"420{_LOCATIONS.get(side_data.chroma_location, 'mpeg2')}"
        aspect = f"{side_data.aspect.numerator}:{side_data.aspect.denominator}" if side_data.aspect else "0:0"
        levels = "FULL" if format.colour.full_range else "LIMITED"
        header = f" W{format.width} H{format.height} F{rate} Ip A{aspect} C{chroma} XCOLORRANGE={levels}\n"
        self._stream = stream
        self._stream.write(MAGIC + header.encode())

    def write(self, planes: Planes) -> None:
        """Append one picture."""
        self._stream.write(_FRAME + b"\n")
        write_planes(self._stream, planes)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def parse_header(line: bytes, name: str) -> tuple[VideoFormat, str | None]:
    """Read the header line of a Y4M stream.

    Returns:
        What its pictures are; and FFmpeg's name of their kind where it is none of ours, and the format's planes and
        depth are to be those of the nearest one.

    Raises:
        InputError: It is not one, or says a size, rate or chroma format that cannot be read.
    """
    if line.split(b" ")[0].rstrip() != MAGIC:
        raise InputError(
            f"{name} is not Y4M: it does not begin with {MAGIC.decode()}",
            "Give a file by its name, or pipe Y4M in:  ffmpeg -i INPUT -f yuv4mpegpipe - | nvc",
        )
    tags, extensions = _tags(line)
    chroma = tags.get("C", "420")
    if chroma not in _KINDS and chroma not in _OTHERS:
        raise InputError(
            f"{name} has chroma format C{chroma}, which is not known",
            "Known are grey, 4:1:1, 4:2:0, 4:2:2 and 4:4:4, of 8 to 16 bits.",
        )
    width, height = checked_size(_number(tags, "W", name), _number(tags, "H", name), name)
    colour = Colour(full_range="COLORRANGE=FULL" in extensions)
    sampling, bit_depth = _KINDS.get(chroma, _KINDS["420"])
    video = VideoFormat(width, height, _rate(tags.get("F", "0:0"), name), bit_depth, sampling, colour)
    return video, _OTHERS.get(chroma)


def parse_side_data(line: bytes, name: str) -> tuple[SideData, list[str]]:
    """What the header line says besides, and what is worth telling of it.

    Raises:
        InputError: It says an impossible sample aspect ratio.
    """
    tags, _ = _tags(line)
    width, _, height = tags.get("A", "0:0").partition(":")
    sides = [_number({"A": side}, "A", name) for side in (width, height)]
    aspect = Fraction(*sides) if all(sides) and sides[0] != sides[1] else None
    location = next((number for number, place in _LOCATIONS.items() if tags.get("C") == f"420{place}"), None)
    interlaced = tags.get("I", "?") not in ("p", "?")
    return SideData(aspect=aspect, chroma_location=location), [INTERLACED] if interlaced else []


def _tags(line: bytes) -> tuple[dict[str, str], list[str]]:
    """What a header line says by the letter of its tag, and its extensions in capitals."""
    words = line.decode("ascii", "replace").split()[1:]
    extensions = [word[1:].upper() for word in words if word[0] == "X"]
    return {word[0]: word[1:] for word in words if word[0] != "X"}, extensions


def _number(tags: dict[str, str], tag: str, name: str) -> int:
    text = tags.get(tag, "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InputError(f"{name}: the Y4M header has no valid {tag} tag ({tag}{text})", _DAMAGED)
    return int(text)


def _rate(text: str, name: str) -> Fraction | None:
    """Frame rate of an F tag; 0:0 means unknown."""
    numerator, _, denominator = text.partition(":")
    parts = {"F numerator": numerator, "F denominator": denominator}
    frames, seconds = (_number(parts, part, name) for part in parts)
    if frames == seconds == 0:
        return None
    if frames == 0 or seconds == 0:
        raise InputError(f"{name}: the Y4M header has the frame rate F{text}", _DAMAGED)
    return Fraction(frames, seconds)


def _read_line(stream: BinaryIO, name: str) -> bytes:
    line = stream.readline(_MAX_LINE_BYTES)
    if not line.endswith(b"\n") and line.startswith(MAGIC):
        raise InputError(f"{name}: the Y4M header does not end within {_MAX_LINE_BYTES} bytes", _DAMAGED)
    return line


def _next_frame(stream: BinaryIO, name: str, index: int) -> bool:
    """Read a frame header; False at the end of the stream."""
    line = stream.readline(_MAX_LINE_BYTES)
    if not line:
        return False
    if not line.endswith(b"\n") or not line[len(_FRAME) : len(_FRAME) + 1].isspace() or not line.startswith(_FRAME):
        raise InputError(
            f"{name}: no frame header where frame {index} should begin",
            "The file is damaged, or its header says a wrong size. Take it again, or use the frames before (--frames).",
        )
    return True
