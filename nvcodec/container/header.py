"""HEAD payload: what the file holds and how it is coded. A header object that exists can be written."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from nvcodec.container.ids import UPGRADE_HINT, Domain, ModelId, PriorId, RenderProfile, known_id
from nvcodec.container.limits import DEFAULT_LIMITS, Limits
from nvcodec.container.wire import Reader, prefixed, varint
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import ChromaFormat, Colour, VideoFormat

MAX_MODEL_CONFIG_BYTES = 1 << 16
MAX_CHOICES_BYTES = 510
"""255 pairs."""
MAX_NAME_BYTES = 255
MAX_STREAM_COUNT = 1 << 12
BIT_DEPTHS = (8, 10, 12)
_CHROMA_OF_1_0, _DEPTHS_OF_1_0 = (ChromaFormat.YUV420, ChromaFormat.RGB), (8, 10)
"""What files of version 1.0 may hold."""
_U8_MAX = (1 << 8) - 1
_U32_MAX = (1 << 32) - 1


@dataclass(frozen=True)
class StreamHeader:
    """One video of the file.

    Raises:
        BitstreamError: A value cannot be written (a size of 0, a name with control characters, ...).
        UnsupportedError: The bit depth or chroma format has no code in this version.
    """

    format: VideoFormat
    frames: int
    """Frames of the whole stream, at least 1; a file that was cut holds fewer."""
    name: str = ""
    """A label for people, never a path: at most 255 bytes of UTF-8, no control characters."""

    def __post_init__(self) -> None:
        video, colour = self.format, self.format.colour
        _check_range("width", video.width, 1, _U32_MAX)
        _check_range("height", video.height, 1, _U32_MAX)
        _check_range("frame count", self.frames, 1, _U32_MAX)
        if video.fps is not None:
            _check_range("frame rate numerator", video.fps.numerator, 1, _U32_MAX)
            _check_range("frame rate denominator", video.fps.denominator, 1, _U32_MAX)
        if video.bit_depth not in BIT_DEPTHS:
            raise UnsupportedError(f"uses bit depth {video.bit_depth}; this nvc knows 8, 10 and 12", UPGRADE_HINT)
        known_id(ChromaFormat, video.chroma, "chroma format")
        for field in ("primaries", "transfer", "matrix"):
            _check_range(field, getattr(colour, field), 0, _U8_MAX)
        try:
            name_bytes = len(self.name.encode())
        except UnicodeEncodeError:
            raise BitstreamError(f"has a stream name that is not Unicode text: {self.name!a}") from None
        _check_range("length of a stream name", name_bytes, 0, MAX_NAME_BYTES)
        if any(unicodedata.category(character) == "Cc" for character in self.name):
            raise BitstreamError(f"has control characters in the stream name {self.name!a}")

    @property
    def minor_version(self) -> int:
        """The lowest minor version of a file with this stream."""
        video = self.format
        return 0 if video.chroma in _CHROMA_OF_1_0 and video.bit_depth in _DEPTHS_OF_1_0 else 1

    def to_bytes(self) -> bytes:
        """Code the stream as its part of the HEAD payload."""
        video, colour = self.format, self.format.colour
        fps = (0, 0) if video.fps is None else (video.fps.numerator, video.fps.denominator)
        numbers = (video.width, video.height, self.frames, *fps)
        flags = (video.bit_depth, video.chroma, colour.primaries, colour.transfer, colour.matrix, colour.full_range)
        return b"".join(map(varint, numbers)) + bytes(flags) + prefixed(self.name.encode())

    @classmethod
    def read(cls, reader: Reader) -> StreamHeader:
        """Read the next stream of a HEAD payload.

        Raises:
            BitstreamError: A field is missing or outside its range.
            UnsupportedError: A bit depth or chroma format is unknown.
        """
        width, height, frames = reader.varint("width"), reader.varint("height"), reader.varint("frame count")
        fps = _read_fps(reader)
        bit_depth = reader.byte("bit depth")
        chroma = known_id(ChromaFormat, reader.byte("chroma format"), "chroma format")
        primaries, transfer, matrix = reader.take(3, "colour")
        full_range = reader.byte("range flag")
        _check_range("range flag", full_range, 0, 1)
        colour = Colour(primaries, transfer, matrix, bool(full_range))
        try:
            name = reader.prefixed(MAX_NAME_BYTES, "stream name").decode()
        except UnicodeDecodeError:
            raise BitstreamError("has a stream name that is not UTF-8") from None
        return cls(VideoFormat(width, height, fps, bit_depth, chroma, colour), frames, name)

    def check_limits(self, limits: Limits) -> None:
        """Refuse a stream larger than the limits.

        Raises:
            UnsupportedError: Width, height, pixels per frame or frame count is above its limit.
        """
        limits.check("max_width", self.format.width, "announces width {}")
        limits.check("max_height", self.format.height, "announces height {}")
        limits.check("max_pixels", self.format.width * self.format.height, "announces {} pixels per frame")
        limits.check("max_frames", self.frames, "announces {} frames")


@dataclass(frozen=True)
class SequenceHeader:
    """Everything a decoder must know before the first segment.

    Raises:
        BitstreamError: A value cannot be written.
        UnsupportedError: An id is unknown to this version.
    """

    model_id: ModelId
    domain: Domain
    streams: tuple[StreamHeader, ...]
    """1 to 4096 videos; their position is the stream index used by other chunks."""
    model_config: bytes
    """Configuration of the representation, at most 64 KiB, opaque here."""
    prior_id: PriorId = PriorId.NONE
    render_profile: RenderProfile = RenderProfile.FLOAT32
    choices: bytes = b""
    """What the configuration does not say of the representation, at most 510 bytes, opaque here."""

    def __post_init__(self) -> None:
        known_id(ModelId, self.model_id, "model id")
        known_id(Domain, self.domain, "coding domain id")
        known_id(PriorId, self.prior_id, "prior id")
        known_id(RenderProfile, self.render_profile, "render profile")
        _check_range("length of the model configuration", len(self.model_config), 0, MAX_MODEL_CONFIG_BYTES)
        _check_range("length of the choices", len(self.choices), 0, MAX_CHOICES_BYTES)
        _check_range("stream count", len(self.streams), 1, MAX_STREAM_COUNT)
        if self.domain == Domain.YUV420 and any(s.format.chroma == ChromaFormat.RGB for s in self.streams):
            raise BitstreamError("codes a stream of RGB in the domain yuv420")

    @property
    def minor_version(self) -> int:
        """The lowest minor version of a file with this header."""
        return 2 if self.choices else max(stream.minor_version for stream in self.streams)

    def to_bytes(self) -> bytes:
        """Code the header as a HEAD payload."""
        ids = (self.model_id, self.domain, self.prior_id, self.render_profile)
        streams = b"".join(stream.to_bytes() for stream in self.streams)
        out = b"".join(map(varint, ids)) + prefixed(self.model_config) + varint(len(self.streams)) + streams
        return out + prefixed(self.choices) if self.choices else out

    @classmethod
    def from_bytes(cls, payload: bytes, limits: Limits = DEFAULT_LIMITS) -> SequenceHeader:
        """Read a HEAD payload.

        Raises:
            BitstreamError: The payload breaks a rule of the format.
            UnsupportedError: An id is unknown, or a value is above its limit.
        """
        reader = Reader(payload)
        model_id = known_id(ModelId, reader.varint("model id"), "model id")
        domain = known_id(Domain, reader.varint("coding domain id"), "coding domain id")
        prior_id = known_id(PriorId, reader.varint("prior id"), "prior id")
        render_profile = known_id(RenderProfile, reader.varint("render profile"), "render profile")
        model_config = reader.prefixed(MAX_MODEL_CONFIG_BYTES, "model configuration")
        stream_count = reader.varint("stream count")
        _check_range("stream count", stream_count, 1, MAX_STREAM_COUNT)
        limits.check("max_streams", stream_count, "announces {} streams")
        streams = tuple(StreamHeader.read(reader) for _ in range(stream_count))
        choices = b""
        if reader.remaining:
            choices = reader.prefixed(MAX_CHOICES_BYTES, "choices")
            _check_range("length of the choices", len(choices), 1, MAX_CHOICES_BYTES)
        reader.end()
        for stream in streams:
            stream.check_limits(limits)
        return cls(model_id, domain, streams, model_config, prior_id, render_profile, choices)


def _read_fps(reader: Reader) -> Fraction | None:
    numerator, denominator = reader.varint("frame rate numerator"), reader.varint("frame rate denominator")
    if numerator == denominator == 0:
        return None
    if 0 in (numerator, denominator) or gcd(numerator, denominator) != 1:
        raise BitstreamError(f"has the frame rate {numerator}/{denominator}, which is not a reduced fraction")
    return Fraction(numerator, denominator)


def _check_range(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise BitstreamError(f"has {what} {value:,}; possible are {low:,} to {high:,}")
