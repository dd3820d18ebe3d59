"""Join the first frames of several videos into one clip of several shots, without loss.

    python benchmarks/join.py one.mp4:31 two.mkv:23 three.mkv:26 --size 176x144 -o joined.mkv

A clip with known cuts: groups of pictures that follow the content must begin at frames 0, 31 and 54.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av


def join(shots: list[tuple[Path, int]], size: tuple[int, int], output: Path, fps: int = 30) -> None:
    """Write the shots, scaled (bicubic) to 4:2:0 of one size, as lossless H.264.

    Args:
        shots: Video and how many frames of it.
        size: (width, height), both even.
        output: Replaced if it exists.
        fps: Frames per second.
    """
    with av.open(str(output), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"qp": "0", "preset": "veryfast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for path, count in shots:
            for frame in islice(_scaled(path, size), count):
                container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _scaled(path: Path, size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            scaled = frame.reformat(*size, format="yuv420p", interpolation="BICUBIC")
            # as a new frame: without the time and the kind of picture it had in its source
            yield av.VideoFrame.from_ndarray(scaled.to_ndarray(), format="yuv420p")


def _shot(word: str) -> tuple[Path, int]:
    path, _, count = word.rpartition(":")
    return Path(path), int(count)


def _size(word: str) -> tuple[int, int]:
    width, height = map(int, word.split("x"))
    return width, height


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shots", nargs="+", type=_shot, metavar="VIDEO:FRAMES")
    parser.add_argument("--size", required=True, type=_size, metavar="WxH")
    parser.add_argument("-o", "--output", required=True, type=Path)
    given = parser.parse_args()
    join(given.shots, given.size, given.output)
