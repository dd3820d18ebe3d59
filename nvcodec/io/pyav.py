"""Compressed video through FFmpeg's libraries; beside ``io.packets`` and ``io.png_pixels`` all that imports ``av``.

Planes are copied sample by sample as the decoder left them, by line size: no scaler ever touches a code value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import final

import av
import numpy as np
from av.video.stream import VideoStream

from nvcodec.errors import InputError, UsageError, quoted
from nvcodec.io.geometry import PIXEL_FORMATS, checked_size, describe
from nvcodec.types import ChromaFormat, CodeValues, Colour, Planes, VideoFormat

_DEMUXERS = "mov,matroska,webm,avi,mpegts,mpeg,ogg,ivf,obu,h264,hevc,vvc,mpegvideo,nut,flv,asf,mxf"
"""Containers opened. FFmpeg guesses more: a text file is a terminal recording to it, a playlist opens other files."""
_ELEMENTARY = {"obu", "h264", "hevc", "vvc", "mpegvideo"}
"""Streams without a container: their demuxer makes up a rate of 25 where the stream says none."""

_Component = tuple[int, int, int]
"""Where a component lies: (plane, offset, step), the last two in samples."""
_PLANAR: tuple[_Component, ...] = ((0, 0, 1), (1, 0, 1), (2, 0, 1))
_GBR: tuple[_Component, ...] = ((2, 0, 1), (0, 0, 1), (1, 0, 1))
_LAYOUTS: dict[str, tuple[ChromaFormat, int, tuple[_Component, ...]]] = {
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
_UNSAID_RANGE, _FULL_RANGE = 0, 2

_ENCODERS = {
    ".mp4": ("libx264", {"crf": "12", "preset": "medium"}, {"movflags": "+faststart"}),
    # Version 3 with a CRC for each slice, every frame a key frame: what archives ask of FFV1. How many slices, it knows
    # best: of a number given, most small sizes have no division.
    ".mkv": ("ffv1", {"level": "3", "slicecrc": "1", "g": "1"}, {}),
}
_THIN, _SHORT = 16, 288
"""FFV1 would divide a picture that is so thin into more slices than it has samples for; only short ones may be one."""
# FFV1 has no planar 8-bit RGB.
_STORED_AS = {
    **{kind: name for name, kind in PIXEL_FORMATS.items()},
    (ChromaFormat.RGB, 8): "bgr0",
    (ChromaFormat.RGB, 10): "gbrp10le",
    (ChromaFormat.RGB, 12): "gbrp12le",
}


@final
class PyavReader:
    """Pictures of the first video stream of a file; its first picture is decoded at once to learn the true format.

    Raises:
        InputError: Not a video, no picture can be decoded, or its pixel format, size or rotation is not supported.
    """

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"}
        try:
            self._container = av.open(f"file:{path}", options=options, metadata_errors="ignore")
        except av.FFmpegError as error:
            raise InputError(
                f"{path} is not a video that can be read",
                f"FFmpeg says: {error.strerror}. "
                "Readable are .y4m, raw .yuv, .mp4, .mkv, .webm, .avi, .ts, .ogg, .ivf and folders of .png.",
            ) from error
        try:
            self._stream = self._video_stream()
            self._frames = self._decoded()
            self._first = next(self._frames, None)
            if self._first is None:
                raise InputError(f"{path} holds no pictures", "Take the file again if it was cut.")
            self.format = self._format_of(self._first)
        except BaseException:
            self.close()
            raise
        self.frame_count = self._announced_frames()
        codec = self._stream.codec_context.name
        self.origin = f"geometry {describe(self.format)} (from the {codec} video in {self._container.format.long_name})"

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield the pictures from number ``first`` on; those before are decoded and dropped.

        Raises:
            InputError: A picture cannot be decoded or differs in format, or the file ends early.
        """
        frame, index = self._first, 0
        ends_at = Fraction(0)
        while frame is not None:
            self._check_frame(frame, index)
            if index >= first:
                yield tuple(view.copy() for view in _component_views(frame, self._name))
            if frame.pts is not None and frame.time_base is not None:
                ends_at = max(ends_at, (frame.pts + (frame.duration or 0)) * frame.time_base)
            frame, index = next(self._frames, None), index + 1
        self._check_end(index, ends_at)
        self.frame_count = index

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _video_stream(self) -> VideoStream:
        for stream in self._container.streams.video:
            if not stream.disposition & av.stream.Disposition.attached_pic:
                if stream.codec_context is None:
                    raise InputError(f"{self._name}: no decoder for its video", self._convert())
                checked_size(stream.codec_context.width, stream.codec_context.height, self._name)
                stream.thread_type = "AUTO"
                return stream
        raise InputError(f"{self._name} has no video stream", "Only sound or still cover pictures are in it.")

    def _decoded(self) -> Iterator[av.VideoFrame]:
        frames = self._container.decode(self._stream)
        index = 0
        while True:
            try:
                frame = next(frames)
            except StopIteration:
                return
            except av.FFmpegError as error:
                raise InputError(
                    f"{self._name}: frame {index} cannot be decoded ({error.strerror})",
                    "The file is damaged: take it again, or use the frames before (--frames).",
                ) from error
            yield frame
            index += 1

    def _format_of(self, frame: av.VideoFrame) -> VideoFormat:
        pixel_format = frame.format.name
        if pixel_format not in _LAYOUTS:
            raise InputError(
                f"{self._name} has pixel format {pixel_format}; grey, 4:2:0, 4:2:2, 4:4:4 and RGB of 8, 10 and 12 bits "
                "can be read",
                self._convert("-pix_fmt yuv420p") + "\n(10 bit: -pix_fmt yuv420p10le -strict -1)",
            )
        if frame.rotation:
            raise InputError(
                f"{self._name} is to be shown rotated by {frame.rotation} degrees",
                "Turn its pictures first:  " + self._convert().removeprefix("Convert it:  "),
            )
        chroma, bit_depth, _ = _LAYOUTS[pixel_format]
        context = self._stream.codec_context
        rgb = chroma is ChromaFormat.RGB
        # a grey pixel format of which nothing is said is full range to FFmpeg
        unsaid = chroma is ChromaFormat.GREY and context.color_range == _UNSAID_RANGE
        full_range = rgb or unsaid or pixel_format.startswith("yuvj") or context.color_range == _FULL_RANGE
        matrix = 0 if rgb else context.colorspace
        colour = Colour(context.color_primaries, context.color_trc, matrix, full_range)
        return VideoFormat(frame.width, frame.height, self._frame_rate(), bit_depth, chroma, colour)

    def _frame_rate(self) -> Fraction | None:
        if self._container.format.name in _ELEMENTARY:
            rate: Fraction | None = self._stream.codec_context.framerate
        else:
            rate = self._stream.average_rate or self._stream.guessed_rate
        if not rate:
            return None
        # Matroska stores the time of one frame in whole nanoseconds: 60000/1001 comes back as 19001/317.
        ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
        return ntsc if rate.denominator != 1 and abs(ntsc / rate - 1) < Fraction(5, 10**7) else Fraction(rate)

    def _announced_frames(self) -> int | None:
        """Frames the container says it holds, less those an edit list hides; None if it does not say."""
        hidden = sum(entry.is_discard for entry in self._stream.index_entries)
        return self._stream.frames - hidden or None

    def _check_frame(self, frame: av.VideoFrame, index: int) -> None:
        if frame.is_corrupt:
            raise InputError(f"{self._name}: frame {index} is damaged", "Take the file again.")
        format, pixel_format = self.format, frame.format.name
        layout = _LAYOUTS.get(pixel_format, (None, 0))[:2]
        if (frame.width, frame.height, layout) != (format.width, format.height, (format.chroma, format.bit_depth)):
            raise InputError(
                f"{self._name} changes from {describe(replace(format, fps=None))} to {frame.width}x{frame.height} "
                f"{pixel_format} at frame {index}",
                self._convert(f"-vf scale={format.width}:{format.height}"),
            )

    def _check_end(self, decoded: int, ends_at: Fraction) -> None:
        announced = self._announced_frames()
        hint = "Take the file again, or use the frames it has:  --frames " + str(decoded)
        if announced is not None and decoded < announced:
            raise InputError(f"{self._name} holds {decoded} of {announced} frames: truncated?", hint)
        # Matroska announces no number of frames, but most writers leave the end time of each stream.
        time = re.match(r"(\d+):(\d+):(\d+\.\d{1,9})", self._stream.metadata.get("DURATION", ""))
        if announced is None and time and self.format.fps:
            announced_end = int(time[1]) * 3600 + int(time[2]) * 60 + Fraction(time[3])
            if ends_at + 2 / self.format.fps < announced_end:
                ends = f"{float(ends_at):.2f} s of {float(announced_end):.2f} s"
                raise InputError(f"{self._name} ends after {decoded} frames, {ends}: truncated?", hint)

    def _convert(self, options: str = "") -> str:
        return " ".join(filter(None, ["Convert it:  ffmpeg -i", quoted(self._name), options, "OUTPUT.y4m"]))


@final
class PyavWriter:
    """Writes .mp4 (H.264 at CRF 12: plays everywhere, but lossy) or .mkv (FFV1: lossless, colour tags and range kept).

    Raises:
        UsageError: The format has no frame rate, or a size that the codec cannot have: odd in H.264, or a line in FFV1.
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, format: VideoFormat) -> None:
        codec, options, container_options = _ENCODERS[path.suffix.lower()]
        if format.fps is None:
            raise UsageError(
                f"{path.name} needs a frame rate, and nothing says one",
                "Write .y4m or .yuv, or give the rate with -r when encoding.",
            )
        rows, columns = format.chroma.cell
        if codec == "libx264" and (format.width % columns or format.height % rows):
            raise UsageError(
                f"{path.name}: H.264 cannot hold {format.width}x{format.height} pictures, the size must be even",
                "Write .mkv or .y4m instead.",
            )
        thin, long = sorted((format.width, format.height))
        if codec == "ffv1" and thin < _THIN and long <= _SHORT:
            options = {**options, "slices": "1"}
        self._time_base = 1 / format.fps
        self._written = 0
        with _os_errors():
            self._container = av.open(f"file:{path}", "w", options=container_options)
            stream = self._container.add_stream(codec, rate=format.fps, options=options)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._pixel_format = _STORED_AS[format.chroma, format.bit_depth]
        stream.width, stream.height, stream.pix_fmt = format.width, format.height, self._pixel_format
        context, colour = stream.codec_context, format.colour
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.colorspace, context.color_range = colour.matrix, 2 if colour.full_range else 1
        try:
            context.open()
        except av.FFmpegError as error:
            self._container.close()
            raise UsageError(
                f"{path.name}: {codec} cannot hold {format.width}x{format.height} pictures",
                "Write .y4m instead.",
            ) from error

    def write(self, planes: Planes) -> None:
        """Encode one picture.

        Raises:
            OSError: The file cannot be written.
        """
        frame = _new_frame(self._stream.width, self._stream.height, self._pixel_format, planes)
        frame.pts, frame.time_base = self._written, self._time_base
        with _os_errors():
            self._container.mux(self._stream.encode(frame))
        self._written += 1

    def close(self) -> None:
        """Write what is left in the encoder and the end of the container.

        Raises:
            OSError: The file cannot be written.
        """
        with _os_errors():
            try:
                if self._written:
                    self._container.mux(self._stream.encode())
            finally:
                self._container.close()


@contextmanager
def _os_errors() -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


def encode_png(planes: Planes) -> bytes:
    """Encode three uint8 planes [height, width], code values 0..255, as an 8-bit RGB PNG file."""
    height, width = planes[0].shape
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "rgb24", Fraction(1)
    frame = _new_frame(width, height, "rgb24", planes)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _new_frame(width: int, height: int, pixel_format: str, planes: Planes) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, pixel_format)
    for view, plane in zip(_component_views(frame, pixel_format), planes, strict=True):
        view[:] = plane
    return frame


def _component_views(frame: av.VideoFrame, name: str) -> list[CodeValues]:
    """Y, U, V or R, G, B of a frame as writable views into its memory, without the padding of the lines."""
    chroma, bit_depth, components = _LAYOUTS[frame.format.name]
    format = VideoFormat(frame.width, frame.height, bit_depth=bit_depth, chroma=chroma)
    views: list[CodeValues] = []
    for (plane, offset, step), (rows, columns) in zip(components, format.plane_shapes, strict=True):
        line_bytes = frame.planes[plane].line_size
        if line_bytes <= 0:
            # The memory of such a plane lies before its first byte, which its buffer does not cover.
            raise InputError(
                f"{name} stores its pictures upside down", f"Convert it:  ffmpeg -i {quoted(name)} OUTPUT.y4m"
            )
        memory = memoryview(frame.planes[plane])
        samples: CodeValues = np.frombuffer(memory, np.uint8)
        if bit_depth != 8:
            samples = samples.view(np.uint16)
        lines = samples.reshape(-1, line_bytes // samples.itemsize)
        views.append(lines[:rows, offset::step][:, :columns])
    return views
