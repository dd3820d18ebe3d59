"""What a reader draws: whole pictures, or small ones by the shortest way there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from nvcodec.container import PREVIEW_DIVISORS, PreviewHead
from nvcodec.decoder.kept import Kept
from nvcodec.decoder.previews import head_integers, head_shape, preview_field
from nvcodec.decoder.session import FIELDS_KEPT, Session
from nvcodec.decoder.shrink import shrunk, shrunk_format
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import Planes, Time, VideoFormat

if TYPE_CHECKING:
    from nvcodec.decoder.render import Drawer
    from nvcodec.models.base import VideoField
    from nvcodec.models.preview import Preview

_CLIP_BYTES = 1 << 29
"""Memory for the pictures of a clip that wait for their turn, however many are asked for between its frames."""


class _Small(NamedTuple):
    head: PreviewHead
    field: Preview


class Pictures:
    """Pictures of one stream at one size. It holds no part of the file but the previews that drew last.

    Args:
        session: The open file.
        stream: Which video of it.
        divisor: What width and height are divided by; 1 = whole pictures.
        layers: Enhancement layers to draw with; None = all, but the base alone where previews of it can be used.
        device: Where to draw.
    """

    def __init__(self, session: Session, stream: int, divisor: int, layers: int | None, device: str) -> None:
        self.divisor, self.device = divisor, device
        self.whole: VideoFormat = session.drawn_format(stream)
        self.format = shrunk_format(self.whole, divisor)
        self.layers_left_out = 0
        """Layers that nobody refused, and that are not drawn because previews show the base alone."""
        if layers is None:
            layers, segments = session.container.layers, enumerate(session.container.segments)
            ordinals = (n for n, segment in segments if segment.stream == stream)
            if divisor > 1 and any(self.usable_heads(session, n) for n in ordinals):
                layers, self.layers_left_out = 0, layers
        self.layers = layers
        self._small: Kept[_Small | None] = Kept(FIELDS_KEPT)

    def forget(self) -> None:
        """Let go of what was decoded."""
        self._small = Kept(FIELDS_KEPT)

    def usable_heads(self, session: Session, ordinal: int) -> list[PreviewHead]:
        """Previews of a segment that lead to pictures of this size, those by the shortest way first."""
        usable = []
        for divisor in (size for size in PREVIEW_DIVISORS[::-1] if self.divisor % size == 0):
            if (head := session.container.previews.get((ordinal, divisor))) is not None:
                with suppress(BitstreamError, UnsupportedError):  # a gift: without it, there is the longer way
                    head_shape(session, head)
                    usable.append(head)
        return usable

    def without_preview(self, session: Session, ordinals: Iterable[int]) -> list[int]:
        """Those of some segments whose pictures have to be drawn whole and shrunk."""
        if self.divisor == 1:
            return []
        return [n for n in ordinals if self.layers > 0 or not self.usable_heads(session, n)]

    def at_once(self, session: Session, ordinal: int, batch: int | None) -> int:
        """How many pictures of a segment to ask for at once, so that memory is bounded.

        Args:
            session: The open file.
            ordinal: Which segment.
            batch: How many to draw at once; None = what fits memory. Clips are drawn whole all the same.
        """
        from nvcodec.decoder.render import default_batch

        if session.config.together is not None:
            return max(session.config.together, _CLIP_BYTES // self.whole.frame_bytes)
        return batch or default_batch(self._drawing_bytes(session, ordinal), self.device)

    def draw(self, session: Session, ordinal: int, times: Sequence[Time], drawer: Drawer) -> Iterator[Planes]:
        """Begin to draw frames of a segment, or what lies between them: all at once, but clip by clip.

        Args:
            session: The open file, whose lock is held.
            ordinal: Which segment.
            times: Within it.
            drawer: Of the device.

        Returns:
            Pictures in the order given. The first one may have to wait for the device, and asks for no lock.
        """
        small = self._drawn_by(session, ordinal)
        field: VideoField
        if small is not None:
            field, divisor = small.field, small.head.divisor
        else:
            field, divisor = session.field(ordinal, self.device, self.layers), 1
        video = shrunk_format(self.whole, divisor)
        begin = drawer.begin if session.config.together is None else drawer.begin_clip
        pictures = begin(field, times, video)
        if divisor == self.divisor:
            return pictures
        return (shrunk(planes, video, self.divisor // divisor) for planes in pictures)

    def _drawing_bytes(self, session: Session, ordinal: int) -> int:
        """Memory that drawing one picture of a segment takes at its peak, roughly."""
        whole, small = session.drawing_bytes(ordinal, self.layers), self._drawn_by(session, ordinal)
        if small is None:
            return whole
        pyramid = session.pyramid(session.container.segments[ordinal])
        assert pyramid is not None
        used, finest = pyramid.levels[small.head.level], pyramid.levels[-1]
        share = used.rows * used.columns * used.channels / (finest.rows * finest.columns * finest.channels)
        return max(1, int(whole * share))

    def _drawn_by(self, session: Session, ordinal: int) -> _Small | None:
        """The preview that leads to the pictures asked for by the shortest way; None: there is none."""
        if self.layers > 0:
            return None

        def best() -> _Small | None:
            for head in self.usable_heads(session, ordinal):
                with suppress(BitstreamError, UnsupportedError):
                    return _Small(head, preview_field(session, head, head_integers(session, head), self.device))
            return None

        return self._small.get(ordinal, best)
