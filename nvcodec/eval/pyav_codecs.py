"""x264, x265 and SVT-AV1, from the libraries that PyAV brings."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import subprocess
import sys
import time
from abc import abstractmethod
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from nvcodec.errors import UsageError
from nvcodec.eval.block_codec import BlockCodec
from nvcodec.eval.codecs import Coded
from nvcodec.eval.feed import Feed
from nvcodec.types import VideoFormat

_X26X_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_SEI = 6
"""H.264 type of the unit that carries x264's settings as text."""
_PRINT_VERSION = "from nvcodec.eval.pyav_codecs import code_one_picture; code_one_picture('libsvtav1')"


class PyavCodec(BlockCodec):
    """An encoder of PyAV's at constant rate factor; the coded file is Matroska."""

    unit = "crf"
    fixed: ClassVar[dict[str, str]]
    """Options besides preset and rate factor."""

    def versions(self) -> dict[str, str]:
        """The encoder's own version, and PyAV's: the FFmpeg in it sets defaults."""
        try:
            return {self.name: self._library_version(), "av": importlib.metadata.version("av")}
        except ModuleNotFoundError as error:
            raise UsageError(f"the codec {self.name} needs PyAV, which is not installed", "pip install av") from error

    def _code(self, feed: Feed, point: float, stem: Path) -> Coded:
        from nvcodec.io.packets import encode_packets, packet_sizes, write_matroska

        options = {"preset": self.preset, "crf": f"{point:g}", **self.fixed, **self.extra}
        began = time.perf_counter()
        video = encode_packets(feed, feed.format, self.encoder, options)
        encode_s = time.perf_counter() - began - feed.read_s
        file = stem.with_name(f"{stem.name}.mkv")
        write_matroska(video, file)
        pix_fmt = "yuv420p" if feed.format.bit_depth == 8 else "yuv420p10le"
        settings = {"encoder": self.encoder, "options": options, "pix_fmt": pix_fmt}
        details = {"sei_bytes": _sei_bytes(video.packets[0].data)} if video.codec == "h264" else {}
        return Coded(file, sum(packet_sizes(file)), encode_s, settings, details=details)

    @abstractmethod
    def _library_version(self) -> str:
        """As the encoder itself says it."""


@final
class X264(PyavCodec):
    """H.264."""

    name, encoder = "x264", "libx264"
    default_points = (18, 24, 30, 36, 42)
    lowest, highest, whole = 0, 51, False
    presets = (*_X26X_PRESETS, "placebo")
    default_preset = "veryslow"
    fixed: ClassVar[dict[str, str]] = {}

    def _library_version(self) -> str:
        return _version_in_text(self.encoder, rb"x264 - (.+?) - H\.264")


@final
class X265(PyavCodec):
    """HEVC."""

    name, encoder = "x265", "libx265"
    default_points = (18, 24, 30, 36, 42)
    lowest, highest, whole = 0, 51, False
    presets = (*_X26X_PRESETS, "placebo")
    default_preset = "veryslow"
    # it reports on standard error past FFmpeg's log
    fixed: ClassVar[dict[str, str]] = {"x265-params": "log-level=error"}

    def _library_version(self) -> str:
        return _version_in_text(self.encoder, rb"x265 \(build \d+\) - ([^:]+):")


@final
class SvtAv1(PyavCodec):
    """AV1, by SVT-AV1."""

    name, encoder = "svtav1", "libsvtav1"
    default_points = (20, 30, 40, 50, 60)
    lowest, highest, whole = 1, 63, False
    presets = tuple(str(number) for number in range(-2, 14))
    default_preset = "4"
    fixed: ClassVar[dict[str, str]] = {}

    def _library_version(self) -> str:
        return _version_of_svtav1()


def code_one_picture(encoder: str) -> bytes:
    """Everything an encoder writes for one black 64x64 picture: small, but signed.

    Raises:
        UsageError: PyAV has no such encoder.
    """
    from nvcodec.io.packets import encode_packets

    format = VideoFormat(64, 64, Fraction(25))
    y, u, v = (np.zeros(shape, np.uint8) for shape in format.plane_shapes)
    fixed = {kind.encoder: kind.fixed for kind in (X264, X265, SvtAv1)}[encoder]
    video = encode_packets([(y, u, v)], format, encoder, {"crf": "50", **fixed})
    return video.extradata + video.packets[0].data


@functools.cache
def _version_in_text(encoder: str, pattern: bytes) -> str:
    """x264 and x265 sign their streams."""
    found = re.search(pattern, code_one_picture(encoder))
    return found[1].decode("ascii", "replace") if found else "unknown"


@functools.cache
def _version_of_svtav1() -> str:
    """SVT-AV1 says its version on standard error only: ask it in a process of its own."""
    code_one_picture(SvtAv1.encoder)  # says it better if there is none
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_VERSION], capture_output=True, text=True, env={**os.environ, "SVT_LOG": "3"}
    )
    found = re.search(r"SVT-AV1 Encoder Lib (\S+)", done.stderr)
    return found[1] if found else "unknown"


def _sei_bytes(packet: bytes) -> int:
    """Bytes of supplemental information in an H.264 packet, with the length fields they are stored with."""
    units = re.split(rb"\x00?\x00\x00\x01", packet)
    return sum(4 + len(unit) for unit in units if unit and unit[0] & 31 == _SEI)
