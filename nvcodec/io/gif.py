"""GIF, for pages and messages: a palette for each frame, found by FFmpeg."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import final

import av
from av.filter import Graph
from av.video.stream import VideoStream

from nvcodec.errors import UsageError
from nvcodec.io.av_frames import new_frame, os_errors
from nvcodec.io.ticks import ticks_for
from nvcodec.types import NOTHING_SAID, Planes, SideData, VideoFormat

_FASTEST = 50
"""Frames per second: of shorter ones, browsers make a tenth of a second."""
_HUNDREDTH = Fraction(1, 100)


@final
class GifWriter:
    """Writes a GIF that plays again and again.

    Args:
        path: File to write.
        format: Of the pictures; as 8-bit RGB they come.
        side_data: Timestamps, to the hundredth of a second; of the rest a GIF can say nothing.

    Raises:
        UsageError: The format has no frame rate.
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, format: VideoFormat, side_data: SideData = NOTHING_SAID) -> None:
        if format.fps is None:
            raise UsageError(
                f"{path.name} needs a frame rate, and nothing says one",
                "Write .y4m or .yuv, or give the rate with -r.",
            )
        self._size = format.width, format.height
        self._ticks, self._written = ticks_for(path.name, format.fps, side_data.timestamps), 0
        self._graph = self._palettes(format.fps)
        with os_errors():
            self._container = av.open(f"file:{path}", "w", format="gif")
        stream = self._container.add_stream("gif", rate=min(format.fps, Fraction(_FASTEST)))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = format.width, format.height, "pal8"
        stream.codec_context.time_base = _HUNDREDTH
        self._stream = stream

    def _palettes(self, fps: Fraction) -> Graph:
        """Filters that reduce colours, and leave frames out where there are too many."""
        graph = Graph()
        width, height = self._size
        last = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("gbrp"), time_base=self._ticks.time_base
        )
        if fps > _FASTEST:
            fewer = graph.add("fps", str(_FASTEST))
            last.link_to(fewer)
            last = fewer
        split, palette, use = (
            graph.add("split"),
            graph.add("palettegen", "stats_mode=single"),
            graph.add("paletteuse", "new=1"),
        )
        last.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(palette, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(graph.add("buffersink"))
        graph.configure()
        return graph

    def write(self, planes: Planes) -> None:
        """Write one picture, three uint8 planes [height, width] of RGB.

        Raises:
            OSError: The file cannot be written.
        """
        frame = new_frame(*self._size, "gbrp", planes)
        frame.pts, frame.duration = self._ticks.start(self._written), self._ticks.length(self._written)
        frame.time_base = self._ticks.time_base
        self._written += 1
        self._graph.push(frame)
        with os_errors():
            self._encode()

    def close(self) -> None:
        """Write what is left.

        Raises:
            OSError: The file cannot be written.
        """
        with os_errors():
            try:
                if self._written:
                    self._graph.push(None)
                    self._encode()
                    self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()

    def _encode(self) -> None:
        """Write the frames that have their palettes."""
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, av.VideoFrame) and frame.pts is not None and frame.time_base
            start, end = (
                round(ticks * frame.time_base / _HUNDREDTH) for ticks in (frame.pts, frame.pts + frame.duration)
            )
            frame.pts, frame.duration, frame.time_base = start, max(1, end - start), _HUNDREDTH
            self._container.mux(self._stream.encode(frame))
