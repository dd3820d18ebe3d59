"""VMAF, by the libvmaf inside the bundled FFmpeg, which is given our decoded planes and never reads a video itself."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nvcodec.color import rechroma, rgb_to_yuv
from nvcodec.errors import UsageError
from nvcodec.eval import ffmpeg
from nvcodec.io.geometry import pixel_format_of
from nvcodec.io.yuv import write_planes
from nvcodec.metrics.measure import in_common
from nvcodec.metrics.psnr import is_rgb
from nvcodec.types import ChromaFormat, Planes, VideoFormat

MODEL = "vmaf_v0.6.1"
"""The model VMAF numbers are of where nobody says otherwise: 1080p seen from three times its height."""
MIN_SIDE = 32
"""Smallest width and height: its features look at a sixteenth of the picture, and libvmaf crashes below about 18."""

_PURPOSE = "the metric vmaf"


@dataclass(frozen=True)
class Vmaf:
    """VMAF of a test video; 0 to 100, identical pictures score 97 to 100."""

    per_frame: tuple[float, ...] = field(repr=False)
    version: str
    """Of libvmaf, and of the FFmpeg that holds it."""
    model: str = MODEL

    @property
    def mean(self) -> float:
        """Arithmetic mean over frames."""
        return float(np.mean(self.per_frame))

    def to_json(self) -> dict[str, Any]:
        """Its part of the schema ``nvc-eval/1``."""
        return {"mean": self.mean, "model": self.model, "version": self.version}


def require_libvmaf() -> None:
    """Make sure that VMAF can be measured here.

    Raises:
        UsageError: imageio-ffmpeg is not installed, or its FFmpeg has no libvmaf.
    """
    if "Unknown filter" in ffmpeg.run(_PURPOSE, ["-h", "filter=libvmaf"]):
        raise UsageError(
            f"{_PURPOSE} needs an FFmpeg with libvmaf, which {ffmpeg.program(_PURPOSE)} is not",
            "pip install -U imageio-ffmpeg   (and unset IMAGEIO_FFMPEG_EXE where it is set)",
        )


def check_vmaf_size(video: VideoFormat) -> None:
    """Make sure that pictures are large enough.

    Raises:
        UsageError: They are not.
    """
    if min(video.width, video.height) < MIN_SIDE:
        raise UsageError(
            f"VMAF cannot be measured on {video.width}x{video.height}, only from {MIN_SIDE}x{MIN_SIDE} on",
            "Leave it out of --metrics",
        )


def measure_vmaf(
    pairs: Iterable[tuple[Planes, Planes]],
    reference_format: VideoFormat,
    test_format: VideoFormat,
    threads: int | None = None,
) -> Vmaf:
    """Compare two videos, picture by picture; RGB is converted to YUV as for PSNR.

    Both go to FFmpeg through one pipe, picture by picture in turn, and are told apart there by their number: nothing
    but the scores touches a disk, and no more than a few pictures are held in memory.

    Args:
        pairs: Pictures of the reference and of the test; gone through once.
        reference_format: Size, at least :data:`MIN_SIDE`, and bit depth.
        test_format: The same size and depth.
        threads: CPU threads, without influence on the scores; None = all.

    Raises:
        UsageError: See :func:`require_libvmaf`, or FFmpeg failed.
    """
    pictures = _Alternating(pairs, reference_format, test_format)
    with tempfile.TemporaryDirectory(prefix="nvc-vmaf-") as folder:
        log = Path(folder) / "vmaf.json"
        options = f"model='version={MODEL}':n_threads={threads or os.cpu_count() or 1}:log_fmt=json"
        graph = (
            "[0:v]split[even][odd];[even]select='not(mod(n,2))',setpts=N[reference];"
            "[odd]select='mod(n,2)',setpts=N[test];"
            f"[test][reference]libvmaf={options}:log_path={_escaped(log)}"
        )
        raw = ["-f", "rawvideo", "-pix_fmt", pixel_format_of(replace(reference_format, chroma=pictures.chroma))]
        # the model does not look at the frame rate, but raw video must have one
        raw += ["-video_size", f"{reference_format.width}x{reference_format.height}", "-framerate", "25"]
        ffmpeg.run(_PURPOSE, [*raw, "-i", "pipe:0", "-lavfi", graph, "-f", "null", "-"], pictures)
        found: dict[str, Any] = json.loads(log.read_text("utf-8")) if log.exists() else {"frames": []}
    scores = tuple(float(frame["metrics"]["vmaf"]) for frame in found["frames"])
    if not pictures.complete or len(scores) != pictures.frames:
        raise UsageError(f"{_PURPOSE} failed: FFmpeg measured {len(scores)} of {pictures.frames} frames and stopped")
    return Vmaf(scores, f"libvmaf {found['version']}, FFmpeg {ffmpeg.version(_PURPOSE)}")


class _Alternating:
    """Raw 4:2:0 pictures, little-endian: reference, test, reference, test, ... VMAF does not look at chroma."""

    chroma = ChromaFormat.YUV420

    def __init__(
        self, pairs: Iterable[tuple[Planes, Planes]], reference_format: VideoFormat, test_format: VideoFormat
    ) -> None:
        self.frames = 0
        """Pairs handed out."""
        self.complete = False
        """Whether all were."""
        self._pairs = pairs
        self._formats = (reference_format, test_format)
        self._planar = in_common(reference_format, test_format)

    def __iter__(self) -> Iterator[bytes]:
        for pair in self._pairs:
            for planes, video in zip(pair, self._formats, strict=True):
                raw = io.BytesIO()
                planes = rgb_to_yuv(planes, self._planar) if is_rgb(video) else planes
                write_planes(raw, rechroma(planes, self._planar, self.chroma))
                yield raw.getvalue()
            self.frames += 1
        self.complete = True


def _escaped(path: Path) -> str:
    """A path as the value of a filter's option: escaped once for the option, and once more for the filter graph."""
    option = re.sub(r"([\\':])", r"\\\1", path.as_posix())
    return re.sub(r"([\\'\[\],;])", r"\\\1", option)
