"""An archive as it was asked for. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from nvcodec.encoder.config import EncodeConfig
from nvcodec.encoder.target import RateTarget


@dataclass(frozen=True)
class ArchiveJob:
    """Sources, output and settings."""

    sources: tuple[str, ...]
    output: str
    target: RateTarget = RateTarget()
    """For all videos together."""
    config: EncodeConfig = EncodeConfig()
    model: str = "dnerv"
    fps: Fraction | None = None
    """Frame rate of every source that does not say its own."""
    frames: int | None = None
    """Frames to take of each, at most; None = all."""
