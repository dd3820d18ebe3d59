"""Which segment holds which frames of a stream. No torch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from nvcodec.container import BaseSegment
from nvcodec.errors import NoFrameError
from nvcodec.types import Time


@dataclass(frozen=True)
class Places:
    """The segments of one stream, which follow each other without gap."""

    ordinals: list[int]
    """Their positions among all segments of the file."""
    edges: list[int]
    """The first frame of each, and the number of frames in all."""

    @property
    def frames(self) -> int:
        """Frames that can be decoded."""
        return self.edges[-1]

    def locate(self, time: Time) -> tuple[int, Time]:
        """See :meth:`nvcodec.decoder.session.Session.locate`."""
        if not 0 <= time <= self.frames - 1:
            raise no_frame(time, self.frames)
        place = bisect_right(self.edges, int(time)) - 1
        first, behind = self.edges[place : place + 2]
        return self.ordinals[place], min(time - first, behind - first - 1)


def places_of(segments: Sequence[BaseSegment], streams: int) -> list[Places]:
    """The places of every stream.

    Args:
        segments: Of a file, in its order.
        streams: How many there are; some may have lost all their segments.
    """
    places = [Places([], [0]) for _ in range(streams)]
    for ordinal, segment in enumerate(segments):
        places[segment.stream].ordinals.append(ordinal)
        places[segment.stream].edges.append(segment.first_frame + segment.frames)
    return places


def no_frame(asked: object, frames: int) -> NoFrameError:
    """What there is to say of a frame that is not among ``frames``."""
    if frames == 0:
        return NoFrameError(f"frame {asked} is not there: the file was cut before the first frame of its stream")
    return NoFrameError(f"frame {asked} is not in 0..{frames - 1}")


def owners_of(segments: Sequence[BaseSegment], shared: bool) -> list[int]:
    """For each segment the one whose parameters it is drawn with.

    Args:
        segments: Of a file, in its order.
        shared: Whether one without parameters takes those of the nearest in front of it that has some.
    """
    owners: list[int] = []
    for ordinal, segment in enumerate(segments):
        owners.append(ordinal if segment.payload or not shared or not owners else owners[-1])
    return owners
