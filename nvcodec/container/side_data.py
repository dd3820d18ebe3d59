"""sIDE payload: what the source of one stream says besides its pictures. Decoding never depends on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from itertools import groupby
from typing import Any

from nvcodec.container.wire import Reader, prefixed, varint
from nvcodec.errors import BitstreamError
from nvcodec.types import ContentLight, MasteringDisplay, SideData, Timestamps

MAX_SIDE_DATA_BYTES = 1 << 24
"""Of the payload of one chunk."""
_MOST = (1 << 32) - 1
_LOCATIONS = range(1, 6)


class SideDataId(IntEnum):
    """What an entry says."""

    ASPECT = 1
    CHROMA_LOCATION = 2
    MASTERING = 3
    LIGHT = 4
    TIMESTAMPS = 5


@dataclass(frozen=True)
class StreamSideData:
    """The side data of one stream."""

    stream: int
    data: SideData

    def to_bytes(self) -> bytes:
        """Code it as a sIDE payload."""
        out = varint(self.stream)
        for id, (field, write, _) in _ENTRIES.items():
            if (value := getattr(self.data, field)) is not None:
                out += varint(id) + prefixed(write(value))
        return out

    @classmethod
    def from_bytes(cls, payload: bytes, frames: Sequence[int]) -> StreamSideData:
        """Read a sIDE payload; entries that this version does not know are passed over.

        Args:
            payload: Of its chunk.
            frames: Of each stream of the file.

        Raises:
            BitstreamError: A field is missing or out of its range, or something is said twice.
        """
        if len(payload) > MAX_SIDE_DATA_BYTES:
            raise BitstreamError(f"takes {len(payload):,} bytes; at most {MAX_SIDE_DATA_BYTES:,} are allowed")
        reader = Reader(payload)
        stream = reader.varint("stream")
        if stream >= len(frames):
            raise BitstreamError(f"belongs to stream {stream:,} of {len(frames)}")
        found: dict[str, Any] = {}
        while reader.remaining:
            id, entry = reader.varint("entry"), Reader(reader.prefixed(len(payload), "entry"))
            if id not in _ENTRIES:
                continue
            field, _, read = _ENTRIES[SideDataId(id)]
            if field in found:
                raise BitstreamError(f"says its {field.replace('_', ' ')} twice")
            found[field] = read(entry, frames[stream])
            entry.end()
        return cls(stream, SideData(**found))


class SideDataShelf:
    """Collects the side data of a file while it is walked over: of several for a stream, the first that can be read.

    Errors are predicates; whoever names the chunk decides what they mean for the file.
    """

    def __init__(self, frames: Sequence[int]) -> None:
        self._frames = frames
        self.by_stream: dict[int, SideData] = {}

    def add(self, payload: bytes) -> None:
        """Read side data and keep it.

        Raises:
            BitstreamError: It cannot be read, belongs to no stream, or there is some already.
        """
        side = StreamSideData.from_bytes(payload, self._frames)
        if side.stream in self.by_stream:
            raise BitstreamError(f"is a second one of stream {side.stream:,}")
        self.by_stream[side.stream] = side.data


def _within(value: int, least: int, most: int, field: str) -> int:
    if not least <= value <= most:
        raise BitstreamError(f"has the {field} {value:,}; possible are {least:,} to {most:,}")
    return value


def _fraction_bytes(value: Fraction) -> bytes:
    return varint(value.numerator) + varint(value.denominator)


def _read_fraction(reader: Reader, field: str) -> Fraction:
    above, below = (_within(reader.varint(field), 1, _MOST, field) for _ in range(2))
    if (value := Fraction(above, below)).numerator != above:
        raise BitstreamError(f"has the {field} {above}/{below}, which can be reduced")
    return value


def _read_aspect(reader: Reader, _frames: int) -> Fraction:
    return _read_fraction(reader, "sample aspect ratio")


def _read_location(reader: Reader, _frames: int) -> int:
    return _within(reader.byte("chroma location"), _LOCATIONS[0], _LOCATIONS[-1], "chroma location")


def _mastering_bytes(value: MasteringDisplay) -> bytes:
    points = b"".join(each.to_bytes(2, "big") for point in (*value.primaries, value.white) for each in point)
    return points + value.max_luminance.to_bytes(4, "big") + value.min_luminance.to_bytes(4, "big")


def _read_mastering(reader: Reader, _frames: int) -> MasteringDisplay:
    points = [(_number(reader, 2, "primaries"), _number(reader, 2, "primaries")) for _ in range(4)]
    brightest, darkest = (_number(reader, 4, "luminance") for _ in range(2))
    return MasteringDisplay((points[0], points[1], points[2]), points[3], brightest, darkest)


def _light_bytes(value: ContentLight) -> bytes:
    return value.max_content.to_bytes(2, "big") + value.max_average.to_bytes(2, "big")


def _read_light(reader: Reader, _frames: int) -> ContentLight:
    return ContentLight(_number(reader, 2, "content light level"), _number(reader, 2, "content light level"))


def _number(reader: Reader, size: int, field: str) -> int:
    return int.from_bytes(reader.take(size, field), "big")


def _timestamp_bytes(value: Timestamps) -> bytes:
    runs = ((sum(1 for _ in run), ticks) for ticks, run in groupby(value.ticks))
    return _fraction_bytes(value.time_base) + b"".join(varint(count) + varint(ticks) for count, ticks in runs)


def _read_timestamps(reader: Reader, frames: int) -> Timestamps:
    time_base = _read_fraction(reader, "time base")
    ticks: list[int] = []
    while reader.remaining:
        count = _within(reader.varint("frames"), 1, frames - len(ticks), "number of frames")
        ticks += [_within(reader.varint("ticks"), 1, _MOST, "ticks")] * count
    if len(ticks) != frames:
        raise BitstreamError(f"has timestamps of {len(ticks):,} of {frames:,} frames")
    return Timestamps(time_base, tuple(ticks))


_ENTRIES: dict[int, tuple[str, Callable[[Any], bytes], Callable[[Reader, int], object]]] = {
    SideDataId.ASPECT: ("aspect", _fraction_bytes, _read_aspect),
    SideDataId.CHROMA_LOCATION: ("chroma_location", lambda location: bytes([location]), _read_location),
    SideDataId.MASTERING: ("mastering", _mastering_bytes, _read_mastering),
    SideDataId.LIGHT: ("light", _light_bytes, _read_light),
    SideDataId.TIMESTAMPS: ("timestamps", _timestamp_bytes, _read_timestamps),
}
"""What an entry is called in :class:`SideData`, how it is written, and read."""
