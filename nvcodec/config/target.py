"""What the user asked the file to be: a size, or a quality. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import floor

from nvcodec.config.options import TARGETS, EncodeOptions
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

    @classmethod
    def of(cls, options: EncodeOptions) -> RateTarget:
        """The one target that options ask for, or the default.

        Raises:
            UsageError: There are two.
        """
        given = [(name, getattr(options, name)) for name in TARGETS if getattr(options, name) is not None]
        if len(given) > 1:
            first, second = (f"--{name.replace('_', '-')}" for name, _ in given[:2])
            raise UsageError(f"{first} and {second} both given; choose one")
        if not given:
            return cls()
        name, value = given[0]
        return cls(TargetKind(name.removeprefix("target_")), value)

    def files_bytes(self, videos: Sequence[tuple[VideoFormat, int]]) -> int | None:
        """Largest size of a file of several videos, see :meth:`file_bytes`; shares are rounded down, then added.

        Args:
            videos: Format and frames of each.
        """
        if self.kind is TargetKind.SIZE:
            return int(self.value)
        sizes = [size for video, frames in videos if (size := self.file_bytes(video, frames)) is not None]
        return sum(sizes) if sizes else None

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
