"""Digests: what a segment must decode to, exactly for integers, within one code value for pictures."""

from __future__ import annotations

from collections.abc import Callable

from nvcodec.container import PREVIEW_DIVISORS, SegmentDigest
from nvcodec.decoder.previews import head_integers
from nvcodec.decoder.reader import VideoReader
from nvcodec.decoder.render import render
from nvcodec.errors import BitstreamError
from nvcodec.quant.tensors import digest
from nvcodec.types import Planes, VideoFormat

SAMPLED_FRAMES = 8
SAMPLES_PER_PLANE = 4
TOLERANCE = 1
_WITHOUT_PREVIEWS = "Pictures do not need it; leave previews out with:  nvc strip FILE --drop-previews"


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


def check_stream(reader: VideoReader) -> None:
    """Compare all segments of a stream with their digests, see :func:`check_segment`; no preview may be damaged either.

    Raises:
        BitstreamError: They differ, or a preview cannot be used.
    """
    for ordinal, segment in enumerate(reader.session.container.segments):
        if segment.stream == reader.stream:
            check_segment(reader, ordinal)
    if (problem := reader.session.container.preview_problem) is not None:
        raise BitstreamError(problem, _WITHOUT_PREVIEWS)


def check_segment(reader: VideoReader, ordinal: int) -> None:
    """Compare a segment with its digests: integers and pictures of its base, integers of the layers asked for.

    Key frames, which the pictures of a digest may have left out, have to be whole too, and previews have to make sense.

    Raises:
        BitstreamError: There is no digest, the integers differ, a picture is more than one code value off, or a key
            frame or a preview is damaged.
        UnsupportedError: A layer or a preview is above a limit, or this version does not have the layer's network.
    """
    session, video = reader.session, reader.session.drawn_format(reader.stream)
    expected: SegmentDigest | None = session.container.digests.get(ordinal)
    if expected is None:
        raise BitstreamError(
            f"segment {ordinal} has no digest to compare with",
            "The file was cut, or written without digests; it decodes without --check",
        )
    if digest(session.integers(ordinal)) != expected.integers:
        raise BitstreamError(
            f"segment {ordinal} decodes to other integers than it was written from",
            "This must not happen on any machine: please report it with the file",
        )
    segment = session.container.segments[ordinal]
    base = session.field(ordinal, reader.device)
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
    session.check_key_frames(ordinal)
    for layer in range(1, reader.layers + reader.pictures.layers_left_out + 1):
        session.check_pack(session.container.pack(ordinal, layer))
    for divisor in PREVIEW_DIVISORS:
        if (head := session.container.previews.get((ordinal, divisor))) is not None:
            try:
                head_integers(session, head)
            except BitstreamError as error:
                raise BitstreamError(error.message, _WITHOUT_PREVIEWS) from error
