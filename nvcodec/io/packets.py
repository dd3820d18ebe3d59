"""Pictures to the packets of other codecs and back, through FFmpeg's libraries: anchors of the bench, key frames.

Planes are copied by line size into the pictures that encoders take, and out of those that decoders give: no scaler.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from nvcodec.errors import BitstreamError, InputError, UsageError
from nvcodec.io.geometry import describe
from nvcodec.io.scheduling import usual_priority
from nvcodec.types import ChromaFormat, CodeValues, Planes, VideoFormat

_CODECS = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "av1"}
"""Encoders known to keep the promises made here -> what they write."""
_DECODERS = {"h264": "h264", "hevc": "hevc", "av1": "libdav1d"}
"""FFmpeg's own ``av1`` only drives hardware."""
_EVEN_SIZES = {"libx264", "libx265"}
_PIXEL_FORMATS = {8: "yuv420p", 10: "yuv420p10le"}
_READ_AS = {"yuv420p": 8, "yuvj420p": 8, "yuv420p10le": 10}
_AV1_TEMPORAL_DELIMITER = b"\x12\x00"


@dataclass(frozen=True)
class CodedPacket:
    """One coded picture, as the decoder takes it."""

    data: bytes
    """H.264 and HEVC with start codes; AV1 as open bitstream units without temporal delimiters."""
    pts: int
    """Number of the picture in order of display."""
    dts: int
    """Place in order of decoding; may begin below 0."""
    is_key: bool


@dataclass(frozen=True)
class EncodedVideo:
    """A video as packets, in the order of decoding, without a container."""

    codec: str
    """``h264``, ``hevc`` or ``av1``."""
    packets: tuple[CodedPacket, ...]
    extradata: bytes
    """Parameter sets (AV1: configuration record), needed besides the packets to decode H.264 and HEVC."""
    format: VideoFormat
    encoder: str
    options: Mapping[str, str]
    """As given to the encoder."""


def encode_packets(
    frames: Iterable[Planes], format: VideoFormat, encoder: str, options: Mapping[str, str]
) -> EncodedVideo:
    """Encode pictures; each is taken from ``frames`` when the encoder is ready for it.

    Parameter sets go to ``extradata``, as containers want them. The encoder uses as many threads as it thinks fit.

    Args:
        frames: (Y, U, V) of ``format``, at least one.
        format: 8 or 10-bit 4:2:0. The frame rate becomes the time base; colour tags and range are passed on.
        encoder: FFmpeg's name: ``libx264``, ``libx265`` or ``libsvtav1``.
        options: FFmpeg's options of that encoder, as in ``{"preset": "slow", "crf": "30"}``.

    Raises:
        UsageError: There is no such encoder or option, the encoder refuses the format or a value, the format has no
            frame rate, or there is no picture.
    """
    assert format.chroma is ChromaFormat.YUV420 and encoder in _CODECS
    context = _opened(_new_context(encoder), format, encoder, options)
    packets: list[av.Packet[Any]] = []
    try:
        for index, planes in enumerate(frames):
            frame = _new_frame(planes, format)
            frame.pts, frame.time_base = index, context.time_base
            packets += context.encode(frame)
        packets += context.encode(None)
    except av.FFmpegError as error:
        raise UsageError(f"{encoder} failed after {len(packets)} packets", f"FFmpeg says: {error.strerror}") from error
    if not packets:
        raise UsageError(f"no picture for {encoder} to encode", "Ask for at least one frame.")
    coded = tuple(_coded(packet, _CODECS[encoder]) for packet in packets)
    return EncodedVideo(_CODECS[encoder], coded, context.extradata or b"", format, encoder, dict(options))


def decode_packets(
    packets: Iterable[bytes], codec: str, format: VideoFormat, extradata: bytes = b""
) -> Iterator[Planes]:
    """Decode packets to pictures, in order of display.

    Args:
        packets: In order of decoding, as in :attr:`CodedPacket.data`.
        codec: ``h264``, ``hevc`` or ``av1``.
        format: What the pictures must be; also bounds what damaged packets can make the decoder allocate.
        extradata: As in :attr:`EncodedVideo.extradata`.

    Raises:
        BitstreamError: A packet is damaged, or holds pictures of another size or depth.
    """
    decoder = av.CodecContext.create(_DECODERS[codec], "r")
    assert isinstance(decoder, VideoCodecContext)
    # coded pictures are whole blocks, of 64 samples a side at most
    decoder.options = {"max_pixels": str(-(-format.width // 64) * -(-format.height // 64) * 64 * 64)}
    decoder.thread_type = "AUTO"
    decoder.extradata = extradata or None
    for index, data in enumerate(chain(packets, [None])):
        if data == b"":
            raise BitstreamError(f"{codec} packet {index} is empty")  # to FFmpeg it would mean the end
        try:
            decoded = decoder.decode(None if data is None else _packet(data))
        except av.FFmpegError as error:
            raise BitstreamError(f"{codec} packet {index} cannot be decoded ({error.strerror})") from error
        for frame in decoded:
            if frame.is_corrupt:
                raise BitstreamError(f"a picture at {codec} packet {index} is damaged")
            found = (frame.width, frame.height, _READ_AS.get(frame.format.name))
            if found != (format.width, format.height, format.bit_depth):
                text = f"{frame.width}x{frame.height} {frame.format.name}"
                raise BitstreamError(f"{codec} packet {index} holds a picture of {text}, not {describe(format)}")
            y, u, v = (view.copy() for view in _views(frame, format))
            yield y, u, v


def write_matroska(video: EncodedVideo, path: Path) -> None:
    """Write the packets to a new .mkv that players and :mod:`nvcodec.io.pyav` can read.

    Raises:
        OSError: The file cannot be written.
    """
    assert video.format.fps is not None
    try:
        with av.open(f"file:{path}", "w", format="matroska") as container:
            stream = container.add_stream(video.encoder, rate=video.format.fps)
            assert isinstance(stream, VideoStream)
            # only an open encoder can describe its stream to the container
            context = _opened(stream.codec_context, video.format, video.encoder, video.options)
            context.extradata = video.extradata
            for coded in video.packets:
                packet = _packet(coded.data)
                packet.pts, packet.dts, packet.duration = coded.pts, coded.dts, 1
                packet.time_base, packet.is_keyframe, packet.stream = 1 / video.format.fps, coded.is_key, stream
                container.mux(packet)
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


def packet_sizes(path: Path) -> list[int]:
    """Bytes of each packet of the first video stream of a file, as stored: the container's own bytes are not in it.

    A file without video has none.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        with av.open(f"file:{path}") as container:
            if not container.streams.video:
                return []
            return [packet.size for packet in container.demux(video=0) if packet.size]
    except av.FFmpegError as error:
        raise InputError(f"cannot read the packets of {path}: {error.strerror}") from error


def _new_context(encoder: str) -> VideoCodecContext:
    # SVT-AV1 reports on standard error past FFmpeg's log; 1 = errors only
    os.environ.setdefault("SVT_LOG", "1")
    try:
        context = av.CodecContext.create(encoder, "w")
    except ValueError as error:
        raise UsageError(f"PyAV {av.__version__} has no encoder {encoder}", "pip install -U av") from error
    assert isinstance(context, VideoCodecContext)
    return context


def _opened(
    context: VideoCodecContext, format: VideoFormat, encoder: str, options: Mapping[str, str]
) -> VideoCodecContext:
    """Configure and open an encoder."""
    if format.fps is None:
        raise UsageError(f"{encoder} needs a frame rate, and nothing says one", "Give it:  -r 25")
    if encoder in _EVEN_SIZES and (format.width % 2 or format.height % 2):
        raise UsageError(
            f"{encoder} cannot code {format.width}x{format.height} pictures, the size must be even",
            "libsvtav1 can code odd sizes.",
        )
    context.width, context.height, context.pix_fmt = format.width, format.height, _PIXEL_FORMATS[format.bit_depth]
    context.time_base, context.framerate = 1 / format.fps, format.fps
    colour = format.colour
    context.color_primaries, context.color_trc, context.colorspace = colour.primaries, colour.transfer, colour.matrix
    context.color_range = 2 if colour.full_range else 1
    context.flags |= av.codec.context.Flags.global_header
    # PyAV's default, threads on slices only, makes x264 cut every picture into slices: 15 % more bytes on small video
    context.thread_type = "AUTO"
    context.options = dict(options)
    try:
        with usual_priority():
            context.open()
    except av.FFmpegError as error:
        given = " ".join(f"-{name} {value}" for name, value in options.items())
        raise UsageError(
            f"{encoder} refuses {describe(format)} with {given}", f"FFmpeg says: {error.strerror}"
        ) from error
    if context.options:
        raise UsageError(f"{encoder} has no option {min(context.options)}", f"See  ffmpeg -h encoder={encoder}")
    return context


def _coded(packet: av.Packet[Any], codec: str) -> CodedPacket:
    data = bytes(packet)
    if codec == "av1":
        data = data.removeprefix(_AV1_TEMPORAL_DELIMITER)  # containers leave them out, decoders do without
    assert packet.pts is not None and packet.dts is not None
    return CodedPacket(data, packet.pts, packet.dts, packet.is_keyframe)


def _packet(data: bytes) -> av.Packet[Any]:
    """A packet that owns its bytes, padded as decoders need.

    One made of ``bytes`` directly is freed under Python's lock: a decoder thread that still has it when the decoder is
    closed under that lock waits for ever.
    """
    packet = av.Packet(len(data))
    packet.update(data)
    return packet


def _new_frame(planes: Planes, format: VideoFormat) -> av.VideoFrame:
    frame = av.VideoFrame(format.width, format.height, _PIXEL_FORMATS[format.bit_depth])
    for view, plane in zip(_views(frame, format), planes, strict=True):
        # x264 aborts the whole process on a value beyond 10 bit
        assert plane.shape == view.shape and plane.dtype == view.dtype and plane.max() <= format.peak
        view[:] = plane
    return frame


def _views(frame: av.VideoFrame, format: VideoFormat) -> list[CodeValues]:
    """Y, U and V as writable views into the memory of a frame, without the padding of the lines."""
    views: list[CodeValues] = []
    for plane, (rows, columns) in zip(frame.planes, format.plane_shapes, strict=True):
        samples: CodeValues = np.frombuffer(memoryview(plane), np.uint8)
        if format.bit_depth != 8:
            samples = samples.view(np.uint16)
        views.append(samples.reshape(-1, plane.line_size // samples.itemsize)[:rows, :columns])
    return views
