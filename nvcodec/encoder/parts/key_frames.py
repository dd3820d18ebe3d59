"""Key frames as one AV1 substream: they are alike, and coded from each other they take a fraction of stills."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from nvcodec.decoder.key_frames import coded_format
from nvcodec.types import ChromaFormat, CodeValues, Planes, VideoFormat

_BEST, _WORST = 1, 63
"""Rate factors of SVT-AV1."""
_PARAMETERS = {
    "lp": 1,  # one thread: the same bytes everywhere
    "tune": 1,  # for squared error, which the fit that follows minimises too
    "scd": 0,  # groups start where they are asked to, not at cuts
    # Each packet shows one picture in either structure; hidden pictures ahead of it save 12 to 18 % of low delay.
    "pred-struct": 2,
    "enable-tf": 0,  # blends pictures with their neighbours: key frames are too far apart in time to gain
}


def encode_key_frames(
    frames: Sequence[Planes], video: VideoFormat, crf: int, group: int, preset: int = 4
) -> list[bytes]:
    """Encode key frames, reproducibly.

    Args:
        frames: (Y, U, V) of ``video``, at least one, in order.
        video: 8 or 10-bit 4:2:0 of any size; frame rate and colour tags are not written.
        crf: Rate factor, 1 (best) to 63.
        group: Every ``group``-th frame starts a sequence that needs nothing before it; 1 codes all as stills.
        preset: SVT-AV1's, 0 (slowest) to 13.

    Returns:
        One packet for each frame, as :func:`nvcodec.decoder.key_frames.decode_key_frames` takes them.

    Raises:
        UsageError: PyAV has no SVT-AV1, or it refuses the size.
    """
    from nvcodec.io.packets import encode_packets  # brings PyAV

    assert video.chroma is ChromaFormat.YUV420 and frames and group >= 1 and _BEST <= crf <= _WORST
    assert all([plane.shape for plane in planes] == list(video.plane_shapes) for planes in frames)
    coded = coded_format(video)
    parameters = ":".join(f"{name}={value}" for name, value in _PARAMETERS.items())
    options = {"preset": str(preset), "crf": str(crf), "g": str(min(group, len(frames))), "svtav1-params": parameters}
    with _silent_svt():
        encoded = encode_packets((_padded(planes, coded) for planes in frames), coded, "libsvtav1", options)
    assert [packet.pts for packet in encoded.packets] == list(range(len(frames)))
    return [packet.data for packet in encoded.packets]


def _padded(planes: Planes, coded: VideoFormat) -> Planes:
    y, u, v = (_repeated(plane, *shape) for plane, shape in zip(planes, coded.plane_shapes, strict=True))
    return y, u, v


def _repeated(plane: CodeValues, rows: int, columns: int) -> CodeValues:
    """The last row and column again and again."""
    y, x = (np.minimum(np.arange(new), old - 1) for new, old in zip((rows, columns), plane.shape, strict=True))
    return plane[np.ix_(y, x)]


@contextmanager
def _silent_svt() -> Iterator[None]:
    """Keep SVT-AV1, which goes past FFmpeg's log, from writing to standard error: what is wrong is raised."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]
        else:
            os.environ["SVT_LOG"] = before
