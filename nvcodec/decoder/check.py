"""Digests: what a segment must decode to, exactly for integers, within one code value for pictures."""

from __future__ import annotations

from collections.abc import Callable

from nvcodec.container import PREVIEW_DIVISORS
from nvcodec.decoder.previews import head_integers
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.render import render
from nvcodec.decoder.session import Session
from nvcodec.decoder.verdict import WITHOUT_PREVIEWS, Findings, Verdict, check_integers, look_at_stored
from nvcodec.errors import BitstreamError
from nvcodec.types import Planes, VideoFormat

SAMPLED_FRAMES = 8
SAMPLES_PER_PLANE = 4
TOLERANCE = 1


def sampled_frames(frames: int) -> list[int]:
    """The frames of a segment whose samples its digest holds: eight, evenly spread, or all of fewer."""
    count = min(SAMPLED_FRAMES, frames)
    return [index * frames // count for index in range(count)]


def sample(drawn: Callable[[int], Planes], video: VideoFormat, frames: int) -> tuple[int, ...]:
    """Code values at the places the specification names.

    Args:
        drawn: Planes of a frame of the segment.
        video: Format of the planes.
        frames: Frames of the segment.
    """
    values = []
    for frame in sampled_frames(frames):
        planes = drawn(frame)
        for plane, (rows, columns) in zip(planes, video.plane_shapes, strict=True):
            for index in range(SAMPLES_PER_PLANE):
                place = (2654435761 * (frame * SAMPLES_PER_PLANE + index + 1)) % (1 << 32)  # Knuth's hash
                values.append(int(plane[(place >> 16) % rows, place % columns]))
    return tuple(values)


def check_file(session: Session, device: str) -> Verdict:
    """Look at everything in a file: all that is stored, and pictures and key frames of all streams.

    Args:
        session: The open file.
        device: Where pictures are drawn, see :func:`nvcodec.decoder.opening.pick_device`.
    """
    findings = Findings()
    look_at_stored(session, findings, session.container.packs)
    for ordinal, segment in enumerate(session.container.segments):
        with findings.looking(segment.stream):
            check_integers(session, ordinal)
            findings.count("segments")
            check_pictures(session, ordinal, device)
            findings.count("pictures", len(sampled_frames(segment.frames)))
            findings.count("key_frames", session.check_key_frames(ordinal))
    return findings.verdict()


def check_pictures(session: Session, ordinal: int, device: str) -> None:
    """Compare samples of pictures of a segment's base with its digest, which is there.

    Raises:
        BitstreamError: A picture is more than one code value off, or cannot be drawn.
        UnsupportedError: Drawing it is above a limit.
    """
    segment, expected = session.container.segments[ordinal], session.container.digests[ordinal]
    base, video = session.field(ordinal, device), session.drawn_format(segment.stream)
    samples = sample(lambda frame: next(render(base, [frame], video, 1)), video, segment.frames)
    if len(samples) != len(expected.samples):
        raise BitstreamError(
            f"the digest of segment {ordinal} holds {len(expected.samples)} samples, not {len(samples)}"
        )
    worst = max(abs(ours - theirs) for ours, theirs in zip(samples, expected.samples, strict=True))
    if worst > TOLERANCE:
        raise BitstreamError(
            f"pictures of segment {ordinal} are {worst} code values from the stored digest; {TOLERANCE} is allowed",
            "This must not happen in float32 arithmetic: please report it with the file and the output of nvc doctor",
        )


def check_segment(reader: VideoReader, ordinal: int) -> None:
    """Compare a segment with its digests: integers and pictures of its base, integers of the layers asked for.

    Key frames, which the pictures of a digest may have left out, have to be whole too, and previews have to make sense.

    Raises:
        BitstreamError: There is no digest, the integers differ, a picture is more than one code value off, or a key
            frame or a preview is damaged.
        UnsupportedError: A layer or a preview is above a limit, or this version does not have the layer's network.
    """
    session = reader.session
    check_integers(session, ordinal)
    check_pictures(session, ordinal, reader.device)
    session.check_key_frames(ordinal)
    for layer in range(1, reader.layers + reader.pictures.layers_left_out + 1):
        session.check_pack(session.container.pack(ordinal, layer))
    for divisor in PREVIEW_DIVISORS:
        if (head := session.container.previews.get((ordinal, divisor))) is not None:
            try:
                head_integers(session, head)
            except BitstreamError as error:
                raise BitstreamError(error.message, WITHOUT_PREVIEWS) from error
