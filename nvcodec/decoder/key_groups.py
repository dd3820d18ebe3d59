"""Key frames of a stream, decoded group by group when they are needed. No torch at import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nvcodec.container import KeyFrameCodec, KeyFrames
from nvcodec.decoder.kept import Kept
from nvcodec.errors import BitstreamError, UnsupportedError
from nvcodec.types import Planes, VideoFormat

if TYPE_CHECKING:
    from nvcodec.models.base import PlaneTensors

_KEPT_BYTES = 1 << 28
"""Memory for decoded key frames of a stream."""
_LEAST_GROUPS = 2
"""A clip may lie between two groups."""


NO_KEY_FRAMES = KeyFrames(KeyFrameCodec.AV1, 1, (), ())
"""Those of a video that is drawn without any."""


class KeyGroups:
    """Key frames by number; the groups that were asked for last are kept.

    Args:
        coded: All key frames of a segment.
        video: What their pictures are: as stored, or as drawn.
        device: Where they go.
        stream: Number and name of their stream, for messages.
    """

    def __init__(self, coded: KeyFrames, video: VideoFormat, device: str, stream: tuple[int, str]) -> None:
        self.coded, self.video, self.device, self.stream = coded, video, device, stream
        self.group = min(coded.group, max(len(coded.packets), 1))
        affordable = _KEPT_BYTES // (self.group * video.frame_bytes)
        self._groups: Kept[PlaneTensors] = Kept(max(affordable, _LEAST_GROUPS))

    @property
    def peak(self) -> int:
        """The largest code value."""
        return self.video.peak

    @property
    def direct(self) -> Sequence[bool]:
        """Which of them are shown as they are."""
        return self.coded.direct

    @property
    def most_bytes(self) -> int:
        """Memory that the groups which are kept take at most."""
        return min(self._groups.most * self.group, len(self.coded.packets)) * self.video.frame_bytes

    def __call__(self, key: int) -> PlaneTensors:
        """Code values of a key frame, uint8 or int16 [rows, columns] each.

        Raises:
            BitstreamError: Its group is damaged.
            UnsupportedError: There is no decoder for it.
        """
        number, place = divmod(key, self.group)
        first, second, third = self._groups.get(number, lambda: self._decoded(number * self.group))
        return first[place], second[place], third[place]

    def check(self) -> None:
        """Decode all groups; errors as above."""
        for first in range(0, len(self.coded.packets), self.group):
            self(first)

    def _decoded(self, first: int) -> PlaneTensors:
        from nvcodec.decoder.key_frames import decode_key_frames

        with naming_stream(*self.stream):
            pictures = decode_key_frames(self.coded.packets[first : first + self.group], self.video, first)
        y, u, v = (plane.to(self.device) for plane in stacked(pictures))
        return y, u, v


@contextmanager
def naming_stream(stream: int, name: str) -> Iterator[None]:
    """Say whose key frames an error is about."""
    try:
        yield
    except (BitstreamError, UnsupportedError) as error:
        error.message = f"key frames of stream {stream}{f' ({name})' if name else ''}: {error.message}"
        error.hint = error.hint or "The other streams can be decoded"
        raise


def stacked(pictures: Sequence[Planes]) -> PlaneTensors:
    """Planes of pictures, uint8 or int16 [pictures, rows, columns] each."""
    import numpy as np
    import torch

    planes = [np.stack(plane) for plane in zip(*pictures, strict=True)]
    # int16 holds 10 bit values and, unlike uint16, is known to every torch device
    return tuple(torch.from_numpy(p if p.dtype == np.uint8 else p.astype(np.int16)) for p in planes)
