"""A layer as it was asked for. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from nvcodec.config.fit import EncodeConfig
from nvcodec.config.target import RateTarget
from nvcodec.io.arrays import Video


@dataclass(frozen=True)
class LayerJob:
    """Bitstream, source and settings."""

    bitstream: str
    source: Video
    """Video that the bitstream was made from; may be longer."""
    output: str
    """The bitstream itself, or another name."""
    target: RateTarget | None = None
    """Bytes that the layer may add, or quality of the file with it; None = half of the base's bytes."""
    config: EncodeConfig = EncodeConfig()
    size: tuple[int, int] | None = None
    """(width, height) of raw video."""
    fps: Fraction | None = None
    pix_fmt: str | None = None
    seek: int = 0
    """Frame of the source that is the bitstream's first."""
