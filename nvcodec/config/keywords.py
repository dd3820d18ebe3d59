"""The options as keywords, for type checkers and editors; a test holds them equal to the fields of the options classes.

A keyword has the name of its field, or that of its long flag on the command line: ``max_time`` is ``max_time_s``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypedDict

from nvcodec.container import Limits
from nvcodec.io.conversion import Crop

PresetName = Literal["draft", "faster", "fast", "medium", "slow", "slower"]
ModelName = Literal["msnerv", "qsnerv", "tenerv", "dnerv"]
RecipeName = Literal["msnerv", "hinerv", "tenerv", "qsnerv", "hnerv", "dnerv"]
DomainName = Literal["yuv420", "rgb"]
TuneName = Literal["psnr", "ssim"]
MetricName = Literal["psnr", "ms-ssim", "vmaf"]
CurveName = Literal["psnr-yuv", "psnr-y", "psnr-rgb", "ms-ssim-y", "vmaf"]
ScaleName = Literal["1", "1/2", "1/4", "1/8"]
PixelFormatName = Literal[
    "yuv420p", "yuv420p10le", "yuv420p12le", "yuv422p", "yuv422p10le", "yuv422p12le",
    "yuv444p", "yuv444p10le", "yuv444p12le", "gray", "gray10le", "gray12le",
]  # fmt: skip


class LayerKeywords(TypedDict, total=False):
    """Those of :class:`nvcodec.EncodeOptions` that :func:`nvcodec.add_layer` takes."""

    size: tuple[int, int] | str | None
    rate: Fraction | float | str | None
    pix_fmt: PixelFormatName | None
    crop: Crop | tuple[int, ...] | str | None
    scale: Fraction | tuple[int, int] | str | float | None
    fps: Fraction | float | str | None
    deinterlace: bool
    seek: int
    video_stream: int | None
    allow_truncated: bool
    parameters: float | str | None
    params: float | str | None
    bpp: float | None
    target_psnr: float | None
    recipe: RecipeName | None
    preset: PresetName | None
    epochs: float | None
    max_time_s: float | str | None
    max_time: float | str | None
    settings: Mapping[str, object] | None
    set: Mapping[str, object] | None
    device: str
    threads: int
    seed: int


class EncodeKeywords(LayerKeywords, total=False):
    """The fields of :class:`nvcodec.EncodeOptions`."""

    frames: int | None
    mask: str | Path | None
    model: ModelName
    domain: DomainName | None
    preview: bool
    crf: float | None
    bitrate: float | str | None
    target_size: float | str | None
    tune: TuneName | None
    segment: int | None


class DecodeKeywords(TypedDict, total=False):
    """The fields of :class:`nvcodec.DecodeOptions`."""

    pix_fmt: PixelFormatName | None
    rate: Fraction | float | str | None
    audio_from: str | Path | None
    seek: int
    frames: int | None
    step: int
    frame: Fraction | float | str | None
    interpolate: int
    stream: int | str
    layers: int | None
    scale: Fraction | float | ScaleName
    device: str
    threads: int | None
    batch: int | None
    limits: Limits | Mapping[str, int] | None
    limit: Limits | Mapping[str, int] | None
    check: bool


class SheetKeywords(TypedDict, total=False):
    """The fields of :class:`nvcodec.SheetOptions`."""

    frames: int | None
    columns: int | None
    width: int | None
    stream: int | str | None
    layers: int | None
    device: str
    threads: int | None


class BenchKeywords(TypedDict, total=False):
    """Those of :class:`nvcodec.EvalOptions` that :func:`nvcodec.bench` takes."""

    size: tuple[int, int] | str | None
    rate: Fraction | float | str | None
    pix_fmt: PixelFormatName | None
    crop: Crop | tuple[int, ...] | str | None
    scale: Fraction | tuple[int, int] | str | float | None
    fps: Fraction | float | str | None
    deinterlace: bool
    seek: int
    frames: int | None
    device: str
    threads: int | None


class EvalKeywords(BenchKeywords, total=False):
    """The fields of :class:`nvcodec.EvalOptions`."""

    video_stream: int | None
    allow_truncated: bool
    stream: int | str | None
    layers: int | None
    metrics: Sequence[MetricName] | str
    mask: str | Path | None
