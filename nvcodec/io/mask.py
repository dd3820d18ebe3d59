"""Masks: which samples of a video are not to be looked at, from boxes or from a video that shows them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nvcodec.errors import InputError, UsageError
from nvcodec.io.saying import plural
from nvcodec.io.source import VideoSource, open_source
from nvcodec.types import ChromaFormat, Planes, VideoFormat

Picture = npt.NDArray[np.bool_]
"""[height, width]: True where a luma sample is masked."""

_BOX = re.compile(r"(\d{1,9})x(\d{1,9})(?:\+(\d{1,9})\+(\d{1,9}))?")
_FIVE = ((1 / 2, 1 / 2), (1 / 4, 1 / 4), (1 / 4, 3 / 4), (3 / 4, 1 / 4), (3 / 4, 3 / 4))
"""Centres of the boxes of HNeRV and Boost, in units of the picture's sides."""
_HELP = "Give box:120x120 (in the middle), box:64x32+10+20 (at x 10, y 20), boxes:50, scattered:50, or a video's path"


_Box = tuple[int, int, int, int]
"""Left, top, width, height."""


@dataclass(frozen=True)
class Mask:
    """Masked samples of every frame of a video."""

    spec: str
    """As it was asked for."""
    pictures: tuple[Picture, ...]
    """One for each frame, or one for all."""

    def __getitem__(self, frame: int) -> Picture:
        return self.pictures[min(frame, len(self.pictures) - 1)]

    def planes(self, frame: int, chroma: ChromaFormat) -> tuple[Picture, ...]:
        """The masked samples of each plane of a frame; of halved chroma those that stand for any masked luma sample."""
        luma, (rows, columns) = self[frame], chroma.cell
        if (rows, columns) == (1, 1):
            return (luma,) * chroma.planes
        whole = np.pad(luma, ((0, -luma.shape[0] % rows), (0, -luma.shape[1] % columns)))
        cells = whole.reshape(whole.shape[0] // rows, rows, whole.shape[1] // columns, columns)
        half: Picture = np.any(cells, axis=(1, 3))
        return luma, half, half

    @property
    def share(self) -> float:
        """Share of the luma samples that is masked."""
        return float(np.mean([picture.mean() for picture in self.pictures]))

    def digest(self) -> str:
        """SHA-256 of all pictures, hexadecimal."""
        sha = hashlib.sha256()
        for picture in self.pictures:
            sha.update(np.packbits(picture).data)
        return sha.hexdigest()


def open_mask(spec: str, video: VideoFormat, frames: int, seek: int = 0) -> Mask:
    """Read what is masked.

    Args:
        spec: ``box:WxH``, in the middle, or ``box:WxH+X+Y``, several parted by commas: the same in every frame (MSNeRV
            masks ``box:120x120``). ``boxes:N``: the five squares of HNeRV. ``scattered:N``: five squares at places that
            are drawn by lot for each frame (D-NeRV). Anything else is the path of a video or a picture, white where it
            masks.
        video: Format of the video that is masked.
        frames: Its frames.
        seek: Number of the first of them in the mask's video, or among the squares drawn by lot.

    Raises:
        UsageError: The words make no sense, or a box lies outside of the picture, or nothing or everything is masked.
        InputError: The mask's video cannot be read, or has another size, or fewer frames.
    """
    shapes = _shapes(spec, video, range(seek, seek + frames))
    if shapes is not None:
        mask = Mask(spec, tuple(_filled(boxes, video) for boxes in shapes))
    else:
        mask = Mask(Path(spec).name, _pictures(spec, video, frames, seek))
    if not any(picture.any() for picture in mask.pictures):
        raise UsageError(f"--mask {spec} masks nothing", "Make what is to be hidden white, the rest black")
    if all(picture.all() for picture in mask.pictures):
        raise UsageError(f"--mask {spec} masks everything", "Make what is to be hidden white, the rest black")
    return mask


def check_mask(spec: object, video: VideoFormat) -> None:
    """Meet what is wrong with a mask at a glance, before the video it is for is read.

    Raises:
        UsageError: See :func:`open_mask`.
        InputError: See :func:`open_mask`.
    """
    if not isinstance(spec, str):
        raise UsageError(f"a mask is no {type(spec).__name__}", "Write it as a .png, or give boxes as in box:120x120")
    if _shapes(spec, video, range(1)) is None:
        with _opened(spec, video):
            pass


def _shapes(spec: str, video: VideoFormat, frames: range) -> list[list[_Box]] | None:
    """Boxes of each frame, or for all; None: the words are a path."""
    kind, _, rest = spec.partition(":")
    if kind not in ("box", "boxes", "scattered") or os.path.exists(spec):
        return None
    return _boxes(spec, rest, video) if kind == "box" else _squares(spec, kind, rest, video, frames)


def _boxes(spec: str, words: str, video: VideoFormat) -> list[list[_Box]]:
    found = []
    for word in words.split(","):
        match = _BOX.fullmatch(word)
        if match is None:
            raise UsageError(f"--mask {spec} is no box", _HELP)
        width, height = int(match[1]), int(match[2])
        centred = (video.width - width) // 2, (video.height - height) // 2
        left, top = centred if match[3] is None else (int(match[3]), int(match[4]))
        if not (width and height) or left < 0 or top < 0 or left + width > video.width or top + height > video.height:
            raise UsageError(f"--mask {spec}: {word} is not inside a picture of {video.width}x{video.height}", _HELP)
        found.append((left, top, width, height))
    return [found]


def _squares(spec: str, kind: str, side: str, video: VideoFormat, frames: range) -> list[list[_Box]]:
    if not re.fullmatch(r"[1-9]\d{0,4}", side) or int(side) > min(video.width, video.height):
        raise UsageError(f"--mask {spec} has no squares that fit into {video.width}x{video.height}", _HELP)
    size = int(side)
    room = video.width - size, video.height - size
    if kind == "boxes":
        corners = [(round(x * video.width) - size // 2, round(y * video.height) - size // 2) for x, y in _FIVE]
        return [[(min(max(x, 0), room[0]), min(max(y, 0), room[1]), size, size) for x, y in corners]]
    placed = []
    for frame in frames:
        random = np.random.default_rng(frame)  # the same squares for every video, model and machine
        lefts, tops = (random.integers(0, side, len(_FIVE), endpoint=True).tolist() for side in room)
        placed.append([(left, top, size, size) for left, top in zip(lefts, tops, strict=True)])
    return placed


def _filled(boxes: list[_Box], video: VideoFormat) -> Picture:
    picture = np.zeros((video.height, video.width), np.bool_)
    for left, top, width, height in boxes:
        picture[top : top + height, left : left + width] = True
    return picture


@contextmanager
def _opened(path: str, video: VideoFormat) -> Iterator[VideoSource]:
    if not os.path.exists(path):
        raise UsageError(f"--mask {path} is neither a file nor a box", _HELP)
    with open_source(path) as source:
        size = (source.format.width, source.format.height)
        if size != (video.width, video.height):
            raise InputError(
                f"the mask {path} is {size[0]}x{size[1]}, but the video is {video.width}x{video.height}",
                "Make them the same size",
            )
        yield source


def _pictures(path: str, video: VideoFormat, frames: int, seek: int) -> tuple[Picture, ...]:
    with _opened(path, video) as source:
        half = source.format.peak // 2
        first, kept, count = None, [], 0
        for planes in islice(source, seek + frames):
            picture = _white(planes, source.format, half)
            first = picture if first is None else first
            if count >= seek:
                kept.append(picture)
            count += 1
    if count == 1 and first is not None:
        return (first,)
    if count < seek + frames:
        raise InputError(
            f"the mask {path} has {plural(count, 'frame')}, but frame {seek + frames - 1} is needed",
            "Give one picture for all frames, or one for each",
        )
    return tuple(kept)


def _white(planes: Planes, video: VideoFormat, half: int) -> Picture:
    shown = planes if video.chroma is ChromaFormat.RGB else planes[:1]
    white: Picture = np.all([plane > half for plane in shown], axis=0)
    return white
