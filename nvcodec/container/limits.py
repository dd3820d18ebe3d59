"""What a reader accepts before it allocates anything. Not part of the format: every limit can be raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nvcodec.errors import UnsupportedError

MAX_WIDTH: Final = 1 << 14
MAX_HEIGHT: Final = 1 << 14
MAX_PIXELS: Final = 1 << 26
MAX_FRAMES: Final = 1 << 20
MAX_STREAMS: Final = 1 << 12
MAX_CHUNKS: Final = 1 << 18
MAX_CHUNK_BYTES: Final = 1 << 28
MAX_FILE_BYTES: Final = 1 << 32
MAX_PARAMETERS: Final = 1 << 28
MAX_DRAWING_BYTES: Final = 1 << 34


@dataclass(frozen=True)
class Limits:
    """Largest values a reader accepts; the field names are what ``--limit NAME=VALUE`` takes."""

    max_width: int = MAX_WIDTH
    """Luma samples per row."""
    max_height: int = MAX_HEIGHT
    """Luma rows."""
    max_pixels: int = MAX_PIXELS
    """Luma samples per frame."""
    max_frames: int = MAX_FRAMES
    """Frames of one stream."""
    max_streams: int = MAX_STREAMS
    """Streams of one file."""
    max_chunks: int = MAX_CHUNKS
    """Chunks of one file."""
    max_chunk_bytes: int = MAX_CHUNK_BYTES
    """Payload bytes of one chunk."""
    max_file_bytes: int = MAX_FILE_BYTES
    """Bytes of one file."""
    max_parameters: int = MAX_PARAMETERS
    """Coded parameters of one segment; checked where parameters are decoded."""
    max_drawing_bytes: int = MAX_DRAWING_BYTES
    """Memory that drawing one frame takes; checked where the network is built."""

    def check(self, name: str, value: int, what: str) -> None:
        """Refuse a value above the limit called ``name``.

        Args:
            name: Field of this class.
            value: What the file announces.
            what: Predicate with ``{}`` where the value goes, e.g. ``"announces width {}"``.

        Raises:
            UnsupportedError: The value is above the limit; the hint says how to raise it.
        """
        limit: int = getattr(self, name)
        if value > limit:
            raise UnsupportedError(
                f"{what.format(f'{value:,}')}, above the limit of {limit:,}",
                f"If you trust the file, raise the limit with: --limit {name}={value}",
            )


DEFAULT_LIMITS: Final = Limits()
