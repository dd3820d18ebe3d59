"""What a field is asked to draw. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from nvcodec.types import ChromaFormat


@dataclass(frozen=True)
class FieldGeometry:
    """Extent of a field: the frames of one segment of one stream, and which planes of them it draws."""

    frames: int
    height: int
    """Luma rows."""
    width: int
    """Luma columns."""
    chroma: ChromaFormat
    """Of what is drawn: that of the stream, or RGB."""
    gops: tuple[int, ...] = (0,)
    """First frame of each group of pictures; models without parameters of their own for each ignore it."""
