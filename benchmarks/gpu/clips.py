"""Clips brought along, in the form an encode reads: cut, unpacked, or generated."""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nvcodec.errors import InputError
from nvcodec.io.sink import open_sink
from nvcodec.io.source import open_source
from nvcodec.types import Planes, VideoFormat

_PLAIN = (".y4m", ".y4m.xz")
_NEED_PYAV = (".mkv", ".mp4")
_TINY = VideoFormat(96, 64, Fraction(25))
_TINY_FRAMES = 8


@dataclass(frozen=True)
class Footage:
    """A clip that tasks ask for."""

    name: str
    """Beginning of the file's name."""
    width: int
    height: int
    frames: int
    first_row: int = 0
    """Where the picture is cut out of a higher one."""


BUNNY = Footage("bunny", 1280, 640, 132, first_row=40)
"""The papers' "Bunny": Big Buck Bunny at 1280x720, the 640 rows in the middle."""
INTOTREE = Footage("intotree", 1920, 1080, 10)


def find(footage: Footage, folder: Path | None) -> Path | None:
    """The file of a clip that can be read here; None when there is none."""
    suffixes = (*_PLAIN, *_NEED_PYAV) if find_spec("av") is not None else _PLAIN
    found = [] if folder is None else sorted(folder.glob(f"{footage.name}*"))
    return next((path for suffix in suffixes for path in found if path.name.endswith(suffix)), None)


def source(footage: Footage, folder: Path | None, scratch: Path, tiny: bool) -> Path:
    """A file to encode, made in ``scratch`` where the one brought along has to be unpacked or cut.

    Raises:
        InputError: There is no such clip, or it has another size.
    """
    if tiny:
        ready = scratch / f"{footage.name}.y4m"
        if not ready.exists():
            write(ready, _TINY, waves(_TINY, _TINY_FRAMES))
        return ready
    path = find(footage, folder)
    if path is None:
        raise InputError(f"no clip called {footage.name} is in {folder}", "See:  python benchmarks/gpu/prepare.py -h")
    return opened(footage, path, scratch)


def opened(footage: Footage, path: Path, scratch: Path) -> Path:
    """A file of the frames and rows of a clip: the one given, or one made of it in ``scratch``.

    Raises:
        InputError: It cannot be read, or has another size.
    """
    ready = scratch / f"{footage.name}.y4m"
    if ready.exists():
        return ready
    if path.suffix == ".xz":  # as prepare.py makes it: cut already
        with lzma.open(path) as packed, ready.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
        return ready
    with open_source(path, frames=footage.frames) as video:
        if (video.format.width, video.format.height) == (footage.width, footage.height):
            return path
    cut(footage, path, ready)
    return ready


def cut(footage: Footage, path: Path, output: Path) -> None:
    """Cut the rows and frames of a clip out of a higher video, to Y4M. Its colour tags are lost: Y4M has none.

    Raises:
        InputError: The video has another width, or too few rows or frames.
    """
    with open_source(path, frames=footage.frames) as video:
        size = video.format.width, video.format.height
        if size[0] != footage.width or size[1] < footage.first_row + footage.height:
            raise InputError(f"{path} has {size[0]}x{size[1]}; {footage.name} is {footage.width}x{footage.height}")
        target = VideoFormat(footage.width, footage.height, video.format.fps, video.format.bit_depth)
        first, last = footage.first_row, footage.first_row + footage.height
        halves = slice(first // 2, (last + 1) // 2)
        write(output, target, ((p[0][first:last], p[1][halves], p[2][halves]) for p in video))


def write(path: Path, video: VideoFormat, pictures: Iterator[Planes]) -> None:
    """Write Y4M."""
    with open_sink(path, video, overwrite=True) as sink:
        for planes in pictures:
            sink.write(planes)


def waves(video: VideoFormat, frames: int) -> Iterator[Planes]:
    """Smooth waves that travel."""
    for frame in range(frames):
        planes = []
        for index, (rows, columns) in enumerate(video.plane_shapes):
            y, x = np.mgrid[0:rows, 0:columns] * (video.height / rows)
            wave = 0.5 + 0.25 * np.sin(x / 9 + frame / 3 + index) + 0.2 * np.cos(y / 7 - frame / 4 + x / 20)
            planes.append(np.rint(wave * video.peak).astype(video.dtype))
        yield planes[0], planes[1], planes[2]
