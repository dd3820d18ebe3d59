"""VVenC and libaom, through the FFmpeg program that ``imageio-ffmpeg`` brings."""

from __future__ import annotations

import functools
import re
import shlex
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np

from nvcodec.errors import UsageError
from nvcodec.eval import ffmpeg
from nvcodec.eval.block_codec import BlockCodec
from nvcodec.eval.codecs import Coded
from nvcodec.eval.feed import Feed
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import CodeValues, Planes, VideoFormat


class FfmpegCodec(BlockCodec):
    """An encoder of FFmpeg's, fed raw pictures through a pipe; its time includes the start of the program."""

    @property
    def purpose(self) -> str:
        """For messages."""
        return f"the codec {self.name}"

    def versions(self) -> dict[str, str]:
        """The encoder's own version, and FFmpeg's, which sets its defaults."""
        return {self.name: _library_version(self.purpose, self.encoder), "ffmpeg": ffmpeg.version(self.purpose)}

    def _run(self, clock: Feed, pictures: Iterable[Planes], format: VideoFormat, how: list[str], file: Path) -> Coded:
        """Encode pictures of ``format`` into ``file``; ``clock`` knows how long reading them took."""
        from nvcodec.io.packets import packet_sizes

        # VVenC refuses odd sizes; libaom 3.15, given them by FFmpeg, spoils the last row and column of chroma
        if format.width % 2 or format.height % 2:
            raise UsageError(
                f"{self.encoder} cannot code {format.width}x{format.height} pictures, the size must be even",
                "svtav1 can code odd sizes.",
            )
        extra = [word for name, value in self.extra.items() for word in (f"-{name}", value)]
        command = [
            *("-loglevel", "error"),
            *_raw_input(format),
            *("-fps_mode", "passthrough", "-c:v", self.encoder, *how, *extra, str(file)),
        ]
        began = time.perf_counter()
        said = ffmpeg.run(self.purpose, command, _raw(pictures))
        encode_s = time.perf_counter() - began - clock.read_s
        settings = {"command": shlex.join(["ffmpeg", *command[:-1], file.name])}
        sizes = packet_sizes(file)
        if not sizes:  # VVenC in FFmpeg 9.0.2 does that now and then, with exit code 0 and nothing said
            raise UsageError(
                f"{self.purpose} failed: FFmpeg wrote no pictures to {file.name}",
                said.strip()[-500:] or "It sometimes does. Run the bench again, it goes on from here.",
            )
        return Coded(file, sum(sizes), encode_s, settings)


@final
class LibAom(FfmpegCodec):
    """AV1, by libaom in one pass at constant quality; the coded file is Matroska."""

    name, encoder, unit = "libaom", "libaom-av1", "crf"
    default_points = (20, 30, 40, 50, 60)
    lowest, highest, whole = 0, 63, True
    presets = tuple(str(number) for number in range(9))
    default_preset = "4"

    def _code(self, feed: Feed, point: float, stem: Path) -> Coded:
        quality = ["-cpu-used", self.preset, "-crf", f"{point:g}", "-b:v", "0"]
        return self._run(feed, feed, feed.format, quality, stem.with_name(f"{stem.name}.mkv"))


@final
class VVenC(FfmpegCodec):
    """H.266, in MP4. It codes 10 bit only, as is usual for H.266.

    8-bit code values go in times four. What comes out is rounded back and kept, losslessly, beside the coded file: that
    is the video to measure, as 8 bit is what a viewer of an 8-bit video gets.
    """

    name, encoder, unit = "vvenc", "libvvenc", "qp"
    default_points = (22, 27, 32, 37, 42)
    lowest, highest, whole = 0, 63, True
    presets = ("faster", "fast", "medium", "slow", "slower")
    default_preset = "slow"

    def _code(self, feed: Feed, point: float, stem: Path) -> Coded:
        format = feed.format
        deep = replace(format, bit_depth=10)
        pictures = feed if format.bit_depth == 10 else (_deeper(planes) for planes in feed)
        file = stem.with_name(f"{stem.name}.mp4")
        quality = ["-preset", self.preset, "-qp", f"{point:g}"]
        if format.colour.full_range:
            quality += ["-vvenc-params", "range=full"]  # FFmpeg passes all tags on but this
        coded = self._run(feed, pictures, deep, quality, file)
        return coded if format.bit_depth == 10 else _measurable(coded, format, stem.with_name(f"{stem.name}.8bit.mkv"))


def _measurable(coded: Coded, format: VideoFormat, file: Path) -> Coded:
    """The video in 8 bit, and how fast the coded file itself is decoded, opening it counted in."""
    began = time.perf_counter()
    with open_source(coded.file) as source:
        frames = sum(1 for _ in source)
    decode_s = time.perf_counter() - began
    with open_source(coded.file) as source, open_sink(file, format) as sink:
        for planes in source:
            sink.write(_rounded(planes))
    return replace(coded, file=file, decode_fps=frames / max(decode_s, 1e-9))


def _deeper(planes: Planes) -> Planes:
    """8-bit code values as 10-bit ones."""
    y, u, v = (np.left_shift(plane, 2, dtype=np.uint16) for plane in planes)
    return y, u, v


def _rounded(planes: Planes) -> Planes:
    """10-bit code values to the nearest 8-bit ones."""
    y, u, v = (np.minimum((plane + np.uint16(2)) >> 2, 255).astype(np.uint8) for plane in planes)
    return y, u, v


def _raw_input(format: VideoFormat) -> list[str]:
    """Everything raw video does not say itself; tags of the input, as tags of the output would call a scaler."""
    colour = format.colour
    return [
        *("-f", "rawvideo", "-pix_fmt", "yuv420p" if format.bit_depth == 8 else "yuv420p10le"),
        *("-video_size", f"{format.width}x{format.height}", "-framerate", str(format.fps)),
        *("-color_primaries", str(colour.primaries), "-color_trc", str(colour.transfer)),
        *("-colorspace", str(colour.matrix), "-color_range", "pc" if colour.full_range else "tv"),
        *("-i", "pipe:0"),
    ]


def _raw(pictures: Iterable[Planes]) -> Iterator[bytes]:
    for planes in pictures:
        for plane in planes:
            yield _little_endian(plane).tobytes()


def _little_endian(plane: CodeValues) -> CodeValues:
    return plane.astype(plane.dtype.newbyteorder("<"), copy=False)


@functools.cache
def _library_version(purpose: str, encoder: str) -> str:
    """From what the encoder says while it codes one black picture."""
    picture = ["-f", "lavfi", "-i", "color=black:s=64x64:r=25:d=0.04,format=yuv420p10le"]
    said = ffmpeg.run(purpose, ["-loglevel", "verbose", *picture, "-c:v", encoder, "-f", "null", "-"])
    found = re.search(rf"\[{encoder} @ \w+\] (?:\w+ version: )?(v?\d+\.\S+)", said)
    return found[1] if found else "unknown"
