"""What a reader says of its video. No torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

from nvcodec.types import Colour


@dataclass(frozen=True, repr=False)
class VideoMetadata:
    """A video, and the file it is in."""

    width: int
    """Of the pictures that are drawn, in luma samples."""
    height: int
    fps: Fraction | None
    """Exact frames per second; None when nothing says it."""
    num_frames: int
    """Frames that can be decoded; fewer than were encoded when the file was cut."""
    duration_seconds: float | None
    """None without a frame rate."""
    bit_depth: int
    """8, 10 or 12."""
    planes: str
    """What :meth:`nvcodec.VideoReader.planes` gives: ``yuv420``, ``yuv422``, ``yuv444``, ``grey`` or ``rgb``."""
    colour: Colour
    """How the code values are to be read as colours."""
    layers: int
    """Enhancement layers above the base that can be drawn with."""
    streams: int
    """Videos in the file."""
    stream: int
    """Which of them this is."""
    stream_name: str
    """As the file has it; may be empty."""
    model: str
    """Name of the representation."""
    bpp: float
    """Bits of the whole file per luma sample of all its videos."""

    def __repr__(self) -> str:
        lines = (f"    {field.name}={_readable(getattr(self, field.name))},\n" for field in fields(self))
        return f"VideoMetadata(\n{''.join(lines)})"


def _readable(value: object) -> str:
    """Frame rates as ``30000/1001``, other numbers without digits that mean nothing."""
    if isinstance(value, Fraction):
        return str(value)
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
