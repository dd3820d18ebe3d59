"""What a reader draws: whole pictures, or small ones by the shortest way there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from nvcodec.container import PREVIEW_DIVISORS, PreviewHead
from nvcodec.decoder.kept import Kept
from nvcodec.decoder.previews import head_integers, preview_field
from nvcodec.decoder.session import Session
from nvcodec.decoder.shrink import shrunk, shrunk_format
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.quant.tensors import IntegerTensor
from nvcodec.types import Planes, Time, VideoFormat

if TYPE_CHECKING:
    from nvcodec.models.base import VideoField

_HEADS_KEPT = 16
"""Heads are small: a few thousand numbers."""


class _Head(NamedTuple):
    head: PreviewHead
    tensors: list[IntegerTensor]


class Pictures:
    """Pictures of one stream at one size. It holds no part of the file but a few heads of previews.

    Args:
        session: The open file.
        stream: Which video of it.
        divisor: What width and height are divided by; 1 = whole pictures.
        layers: Enhancement layers to draw with; None = all, but the base alone where previews of it are stored.
        device: Where to draw.
    """

    def __init__(self, session: Session, stream: int, divisor: int, layers: int | None, device: str) -> None:
        self.divisor, self.device = divisor, device
        self.whole: VideoFormat = session.drawn_format(stream)
        self.format = shrunk_format(self.whole, divisor)
        if layers is None:
            stored = {segment for segment, size in session.container.previews if divisor % size == 0}
            ordinals = {n for n, segment in enumerate(session.container.segments) if segment.stream == stream}
            layers = 0 if stored & ordinals else session.container.layers
        self.layers = layers
        self._heads: Kept[_Head | None] = Kept(_HEADS_KEPT)

    def without_preview(self, session: Session, ordinals: Iterable[int]) -> list[int]:
        """Those of some segments whose pictures have to be drawn whole and shrunk."""
        return [n for n in ordinals if self.divisor > 1 and self._head(session, n) is None]

    def drawing_bytes(self, session: Session, ordinal: int) -> int:
        """Memory that drawing one picture of a segment takes at its peak, roughly."""
        whole, found = session.drawing_bytes(ordinal, self.layers), self._head(session, ordinal)
        if found is None:
            return whole
        levels = session.config.pyramid(session.geometry(session.container.segments[ordinal])).levels
        used, finest = levels[found.head.level], levels[-1]
        share = used.rows * used.columns * used.channels / (finest.rows * finest.columns * finest.channels)
        return max(1, int(whole * share))

    def draw(self, session: Session, ordinal: int, times: Sequence[Time], batch: int) -> list[Planes]:
        """Draw frames of a segment, or what lies between them, in the order given."""
        from nvcodec.decoder.render import render

        found = self._head(session, ordinal)
        field: VideoField
        if found is not None:
            field, drawn = preview_field(session, found.head, found.tensors, self.device), found.head.divisor
        else:
            field, drawn = session.field(ordinal, self.device, self.layers), 1
        video = shrunk_format(self.whole, drawn)
        pictures = render(field, times, video, batch)
        if drawn == self.divisor:
            return list(pictures)
        return [shrunk(planes, video, self.divisor // drawn) for planes in pictures]

    def _head(self, session: Session, ordinal: int) -> _Head | None:
        """The head that leads to the pictures asked for by the shortest way; None: there is none."""
        if self.layers > 0:
            return None

        def best() -> _Head | None:
            for divisor in (size for size in PREVIEW_DIVISORS[::-1] if self.divisor % size == 0):
                if (head := session.container.previews.get((ordinal, divisor))) is not None:
                    with suppress(BitstreamError, UnsupportedError):  # a gift: without it, there is the longer way
                        return _Head(head, head_integers(session, head))
            return None

        return self._heads.get(ordinal, best)
