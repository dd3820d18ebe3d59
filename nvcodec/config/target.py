"""What the user asked the file to be: a size, or a quality. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import floor

from nvcodec.errors import UsageError
from nvcodec.types import VideoFormat

DEFAULT_CRF = 32.0


class TargetKind(Enum):
    """The unit of a target."""

    CRF = "crf"
    """Constant weight of the rate; the size is whatever that costs."""
    BPP = "bpp"
    """Bits per luma sample of the whole file."""
    BITRATE = "bitrate"
    """Bits per second of the whole file."""
    SIZE = "size"
    """Bytes of the whole file."""
    PSNR = "psnr"
    """6:1:1 PSNR (RGB PSNR in the domain ``rgb``) in dB."""


@dataclass(frozen=True)
class RateTarget:
    """A target and its value."""

    kind: TargetKind = TargetKind.CRF
    value: float = DEFAULT_CRF

    def file_bytes(self, video: VideoFormat, frames: int) -> int | None:
        """Largest size the file may have, in bytes; None when the target is a quality.

        Raises:
            UsageError: A bit rate was asked for, but the frame rate is not known.
        """
        if self.kind is TargetKind.SIZE:
            return int(self.value)
        if self.kind is TargetKind.BPP:
            return floor(self.value * video.width * video.height * frames / 8)
        if self.kind is TargetKind.BITRATE:
            if video.fps is None:
                raise UsageError("--bitrate needs a frame rate, and nothing says it", "Give it:  -r 30  (or use --bpp)")
            return floor(self.value * frames / video.fps / 8)
        return None
