"""What the key frames of a stream cost, without decoding them. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from nvcodec.decoder.session import Session


@dataclass(frozen=True)
class KeyFrameInfo:
    """The key frames of one stream."""

    count: int
    bytes: int
    """Of their packets."""
    direct: int
    """How many are shown as they are, not drawn by the network."""
    problem: str | None
    """Why some are not there, or cannot be used; None: all can."""


def key_frame_info(session: Session, stream: int) -> KeyFrameInfo:
    """What there is of a stream of an archive."""
    container = session.container
    ordinals = [ordinal for ordinal, segment in enumerate(container.segments) if segment.stream == stream]
    usable = [container.key_frames[ordinal] for ordinal in ordinals if ordinal in container.key_frames]
    lost = [ordinal for ordinal in ordinals if ordinal not in container.key_frames]
    return KeyFrameInfo(
        count=sum(len(keys.packets) for keys in usable),
        bytes=sum(len(packet) for keys in usable for packet in keys.packets),
        direct=sum(sum(keys.direct) for keys in usable),
        problem=container.key_frame_problems.get(lost[0], "missing") if lost else None,
    )
