"""Filters of FFmpeg's, as a chain that planes go through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
from av.filter import Graph

from nvcodec.io.av_frames import STORED_AS, component_views, new_frame
from nvcodec.types import ChromaFormat, Planes, VideoFormat


class Filter:
    """A chain of filters that change size and rate, and leave planes and depth as they are.

    Args:
        given: Format of the pictures that go in.
        made: Of those that come out.
        steps: Filters as FFmpeg writes them, as in ``scale=64:48``.
        time_base: Seconds of a tick.
    """

    def __init__(self, given: VideoFormat, made: VideoFormat, steps: Sequence[str], time_base: Fraction) -> None:
        self._given, self._made, self._time_base = given, made, time_base
        self._pixel_format = pixel_format(given)
        self._graph = graph = Graph()
        last = graph.add_buffer(
            width=given.width, height=given.height, format=av.VideoFormat(self._pixel_format), time_base=time_base
        )
        for step in (*steps, f"format={self._pixel_format}"):
            name, _, arguments = step.partition("=")
            each = graph.add(name, arguments)
            last.link_to(each)
            last = each
        last.link_to(graph.add("buffersink"))
        graph.configure()

    def push(self, planes: Planes, start: int, ticks: int) -> Iterator[Planes]:
        """Put a picture in that appears at a tick for so many, and yield those that come out meanwhile."""
        frame = new_frame(self._given.width, self._given.height, self._pixel_format, planes)
        frame.pts, frame.duration, frame.time_base = start, ticks, self._time_base
        self._graph.push(frame)
        yield from self._ready()

    def finish(self) -> Iterator[Planes]:
        """Yield what was waiting for a next picture."""
        self._graph.push(None)
        yield from self._ready()

    def _ready(self) -> Iterator[Planes]:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, av.VideoFrame)
            yield tuple(view.copy() for view in component_views(frame))


def pixel_format(video: VideoFormat) -> str:
    """The planar pixel format of pictures."""
    if (video.chroma, video.bit_depth) == (ChromaFormat.RGB, 8):
        return "gbrp"
    return STORED_AS[video.chroma, video.bit_depth]
