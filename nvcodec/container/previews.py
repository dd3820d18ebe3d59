"""pREV payload: a head that draws one segment at a fraction of its size, from features its field has on the way."""

from __future__ import annotations

from dataclasses import dataclass

from nvcodec.container.wire import Reader, varint
from nvcodec.errors import BitstreamError

PREVIEW_DIVISORS = (2, 4, 8)
"""What width and height of a picture may be divided by."""


@dataclass(frozen=True)
class PreviewHead:
    """The preview of one segment at one size."""

    segment: int
    """Position of the BASE chunk among all BASE chunks."""
    divisor: int
    """One of :data:`PREVIEW_DIVISORS`."""
    level: int
    """Level of the feature pyramid that it draws from; 0 is what the first block takes in. Whether there is such a
    level is the model's business."""
    rank: int
    """Channels between its two parts."""
    payload: bytes
    """Coded parameters, opaque here."""

    @property
    def place(self) -> tuple[int, int]:
        """Segment and divisor: there is one preview for each."""
        return self.segment, self.divisor

    def to_bytes(self) -> bytes:
        """Code the preview as a pREV payload."""
        assert self.divisor in PREVIEW_DIVISORS
        return b"".join(map(varint, (self.segment, self.divisor, self.level, self.rank))) + self.payload

    @classmethod
    def from_bytes(cls, payload: bytes) -> PreviewHead:
        """Read a pREV payload.

        Raises:
            BitstreamError: A field is missing or out of its range.
        """
        reader = Reader(payload)
        segment, divisor = reader.varint("segment"), reader.varint("divisor")
        if divisor not in PREVIEW_DIVISORS:
            raise BitstreamError(f"divides pictures by {divisor:,}; possible are 2, 4 and 8")
        return cls(segment, divisor, reader.varint("level"), reader.varint("rank"), reader.rest())


class PreviewShelf:
    """Collects the previews of a file while it is walked over.

    Errors are predicates; whoever names the chunk decides what they mean for the file.
    """

    def __init__(self) -> None:
        self.heads: dict[tuple[int, int], PreviewHead] = {}
        """By segment and divisor."""

    def add(self, payload: bytes, segments: int) -> None:
        """Read a preview and keep it.

        Args:
            payload: Of its chunk.
            segments: How many are in front of it.

        Raises:
            BitstreamError: It cannot be read, belongs to no segment, or there is one already.
        """
        head = PreviewHead.from_bytes(payload)
        if head.segment >= segments:
            raise BitstreamError(f"belongs to segment {head.segment:,}, which is not in front of it")
        if head.place in self.heads:
            raise BitstreamError(f"is a second preview of segment {head.segment:,} at 1/{head.divisor}")
        self.heads[head.place] = head
