"""A clip as the encoders of others take it: 4:2:0 pictures, read before their clock starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import final

from nvcodec.color import rgb_to_yuv, yuv_format
from nvcodec.errors import UsageError
from nvcodec.eval.codecs import BenchClip
from nvcodec.types import ChromaFormat, Planes, VideoFormat

_TAKEN = (ChromaFormat.YUV420, ChromaFormat.RGB)
_HELD_BYTES = 1 << 30
"""Pictures held in memory; 5 s of 1080p at 60 frames a second and 8 bit."""


@final
class Feed:
    """Pictures to encode; can be gone through once.

    The first GiB of them are read at once. Reading the others is timed, to be taken off the time of the encoder; its
    threads work on meanwhile, so for a longer clip its time comes out a little too short.
    """

    def __init__(self, pictures: Iterator[Planes], format: VideoFormat) -> None:
        self.format = format
        """Always 4:2:0."""
        self.read_s = 0.0
        """Seconds spent reading since iteration began."""
        self._pictures = pictures
        self._held = list(islice(pictures, max(1, _HELD_BYTES // format.frame_bytes)))

    def __iter__(self) -> Iterator[Planes]:
        yield from self._held
        self._held.clear()
        while True:
            began = time.perf_counter()
            planes = next(self._pictures, None)
            self.read_s += time.perf_counter() - began
            if planes is None:
                return
            yield planes


@contextmanager
def open_feed(clip: BenchClip) -> Iterator[Feed]:
    """Open a clip and read what is held of it; RGB is converted with its own matrix.

    Raises:
        InputError: The clip cannot be read.
        UsageError: It has other planes than encoders take here.
        UnsupportedError: It is RGB of a matrix that is not known.
    """
    with clip.open() as source:
        if source.format.chroma not in _TAKEN or source.format.bit_depth not in (8, 10):
            raise UsageError(
                f"{clip.path} is {source.format.bit_depth}-bit {source.format.chroma}; codecs but nvc are measured on "
                "4:2:0 and RGB of 8 and 10 bits",
                "Have it converted, for all codecs alike:  --pix-fmt yuv420p",
            )
        if source.format.chroma is ChromaFormat.RGB:
            format = yuv_format(source.format)
            yield Feed((rgb_to_yuv(planes, format) for planes in source), format)
        else:
            yield Feed(iter(source), source.format)
