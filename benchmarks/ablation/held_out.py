"""Frames that a fit does not see: every second one, to be drawn from the file alone, between those that were seen.

The honest protocol of MSNeRV's Appendix D. HNeRV and QS-NeRV show the held-out frame to their encoder, whose embedding
of it would have to be transmitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from nvcodec import VideoReader
from nvcodec.errors import UsageError
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.metrics.measure import measure
from nvcodec.types import ChromaFormat, Planes, VideoFormat


def pictures(clip: Path, frames: int | None) -> tuple[VideoFormat, list[Planes]]:
    """The first frames of a clip, an odd number of them: both ends are seen.

    Raises:
        UsageError: The clip is RGB, which .y4m, what is seen goes through, does not hold.
    """
    with open_source(clip) as source:
        if source.format.chroma is ChromaFormat.RGB:
            raise UsageError(f"{clip} is RGB; frames are held out of 4:2:0 video only", "Convert it to .y4m")
        every = list(islice(source, frames))
        return source.format, every if len(every) % 2 else every[:-1]


def write_seen(clip: Path, frames: int | None, output: Path) -> None:
    """Write what the fit may see of a clip, all or nothing."""
    video, every = pictures(clip, frames)
    with open_sink(output, video, overwrite=True) as sink:
        for planes in every[::2]:
            sink.write(planes)


def score(clip: Path, frames: int | None, file: Path) -> dict[str, float]:
    """6:1:1 PSNR in dB of the frames that were held out, and of what a player can do without a network.

    Returns:
        ``between``: as the network draws them; ``repeated``: the decoded frame before; ``averaged``: the mean of the
        two decoded frames around.
    """
    video, every = pictures(clip, frames)
    reader = VideoReader(file, device="cpu")
    decoded = list(reader.frames())
    drawn = list(reader.frames([Fraction(2 * index + 1, 2) for index in range(len(decoded) - 1)]))
    ways = {
        "between": drawn,
        "repeated": decoded[:-1],
        "averaged": [_mean(*pair) for pair in zip(decoded, decoded[1:], strict=False)],
    }
    return {name: _psnr_db(pictures, every[1::2], video) for name, pictures in ways.items()}


def _mean(first: Planes, second: Planes) -> Planes:
    """Of two pictures, halves rounded up."""
    kind = np.uint8 if first[0].dtype == np.uint8 else np.uint16
    y, u, v = (((a.astype(np.uint32) + b + 1) >> 1).astype(kind) for a, b in zip(first, second, strict=True))
    return y, u, v


def _psnr_db(drawn: Sequence[Planes], wanted: Sequence[Planes], video: VideoFormat) -> float:
    return measure(wanted, video, drawn, video, ms_ssim=False).psnr["yuv_611"]
