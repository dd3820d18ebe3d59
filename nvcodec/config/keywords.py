"""The fields of the options classes as keywords, for type checkers and editors; a test holds them equal."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TypedDict

from nvcodec.container import Limits


class LayerKeywords(TypedDict, total=False):
    """Those of :class:`nvcodec.EncodeOptions` that :func:`nvcodec.add_layer` takes."""

    size: tuple[int, int] | None
    fps: Fraction | float | None
    pix_fmt: str | None
    seek: int
    video_stream: int | None
    allow_truncated: bool
    parameters: float | None
    bpp: float | None
    target_psnr: float | None
    preset: str | None
    epochs: float | None
    max_time_s: float | None
    device: str
    threads: int
    seed: int


class EncodeKeywords(LayerKeywords, total=False):
    """The fields of :class:`nvcodec.EncodeOptions`."""

    frames: int | None
    mask: str | Path | None
    model: str
    domain: str | None
    preview: bool
    crf: float | None
    bitrate: float | None
    target_size: float | None
    tune: str | None
    settings: Mapping[str, object] | None
    segment: int | None


class DecodeKeywords(TypedDict, total=False):
    """The fields of :class:`nvcodec.DecodeOptions`."""

    pix_fmt: str | None
    fps: Fraction | float | None
    audio_from: str | Path | None
    seek: int
    frames: int | None
    step: int
    interpolate: int
    stream: int | str
    layers: int | None
    scale: Fraction | str | float
    device: str
    threads: int | None
    batch: int | None
    limits: Limits | None
    check: bool


class EvalKeywords(TypedDict, total=False):
    """The fields of :class:`nvcodec.config.options.EvalOptions`."""

    size: tuple[int, int] | None
    fps: Fraction | float | None
    pix_fmt: str | None
    seek: int
    frames: int | None
    video_stream: int | None
    allow_truncated: bool
    stream: int | str | None
    layers: int | None
    metrics: tuple[str, ...]
    mask: str | None
    device: str
    threads: int | None
