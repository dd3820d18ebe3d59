"""Pictures one by one: JPEG and TIFF as FFmpeg decodes them, where a JPEG's YUV stays what it is; and all written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import final

import av

from nvcodec.errors import InputError, UsageError, quoted
from nvcodec.io.av_frames import LAYOUTS, component_views, display_matrix, encode_jpeg
from nvcodec.io.fitting import fitted, nearest, with_chroma
from nvcodec.io.folder import KINDS, kind_of, pictures_in, unlike
from nvcodec.io.geometry import MAX_SIDE, checked_size, describe
from nvcodec.io.orientation import Orientation
from nvcodec.io.png import PngReader, is_deep, png_file
from nvcodec.io.saying import ALPHA, nearest_taken, plural
from nvcodec.io.side_data import aspect_of
from nvcodec.types import SRGB, ChromaFormat, Colour, Planes, SideData, VideoFormat

SUFFIXES = {suffix for suffixes in KINDS.values() for suffix in suffixes}
_DECODERS = {"JPEG": "mjpeg", "TIFF": "tiff", "PNG": "png"}
_JFIF = Colour(1, 13, 6, full_range=True)
"""What the YUV of a JPEG is."""


def open_stills(path: Path) -> PngReader | StillsReader:
    """Pictures of one file, or of a folder.

    Raises:
        InputError: See :func:`nvcodec.io.folder.pictures_in`, and the readers.
    """
    kind, paths, others = pictures_in(path) if path.is_dir() else (kind_of(path), [path], [])
    assert kind is not None
    reader = PngReader(paths) if kind == "PNG" and not is_deep(paths[0]) else StillsReader(paths, kind)
    if others:
        reader.notices.append(f"left out: {plural(len(others), 'picture')} that {_is(others)} no {kind}")
    return reader


def _is(pictures: Sequence[Path]) -> str:
    return "is" if len(pictures) == 1 else "are"


@final
class StillsReader:
    """Pictures of files, upright; the first one is decoded at once to learn the format.

    Args:
        paths: In order.
        kind: ``JPEG``, ``TIFF``, or ``PNG`` of 16 bits.

    Raises:
        InputError: The first one cannot be decoded, or its samples are no colours.
    """

    choosable = False

    def __init__(self, paths: Sequence[Path], kind: str) -> None:
        self._paths, self._kind, self.notices = paths, kind, list[str]()
        frame, upright, aspect = self._decoded(paths[0])
        self._pixel_format = self._fitting(frame, upright, paths[0])
        chroma, bit_depth, _ = LAYOUTS[self._pixel_format]
        colour = SRGB if chroma is ChromaFormat.RGB else _JFIF
        stored = VideoFormat(*checked_size(frame.width, frame.height, str(paths[0])), None, bit_depth, chroma, colour)
        format = upright.format(stored)
        assert format is not None
        self.format = format
        self.frame_count: int | None = len(paths)
        self.origin = f"geometry {describe(self.format)} (from {paths[0].name})"
        self._side_data = upright.side_data(SideData(aspect))

    def pictures(self, first: int) -> Iterator[Planes]:
        """Yield the pictures from number ``first`` on.

        Raises:
            InputError: A file is damaged, or is not as large as the first one.
        """
        for path in self._paths[first:]:
            yield self._planes(path)

    def said(self, _first: int, _count: int) -> SideData:
        """Side data of some of the pictures: that of the first one of all."""
        return self._side_data

    def close(self) -> None:
        """Nothing is kept open."""

    def _planes(self, path: Path) -> Planes:
        frame, upright, _ = self._decoded(path)
        width, height = (frame.height, frame.width) if upright.transposed else (frame.width, frame.height)
        if (width, height) != (self.format.width, self.format.height):
            raise unlike(path, (width, height), self._paths[0], (self.format.width, self.format.height))
        if self._fitting(frame, upright, path) != self._pixel_format:
            self._tell(f"{path.name} is {frame.format.name}, and becomes what {self._paths[0].name} is")
        held = fitted(frame, self._pixel_format)
        return upright.planes(tuple(view.copy() for view in component_views(held)))

    def _decoded(self, path: Path) -> tuple[av.VideoFrame, Orientation, Fraction | None]:
        """The picture of a file, how it is to be turned, and the shape of its samples.

        Raises:
            InputError: There is none.
        """
        decoder = av.CodecContext.create(_DECODERS[self._kind], "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.options = {"max_pixels": str(MAX_SIDE**2)}
        frames: list[av.VideoFrame] = []
        with suppress(av.FFmpegError):
            frames = [*decoder.decode(av.Packet(path.read_bytes())), *decoder.decode(None)]
        if not frames or frames[0].is_corrupt:
            raise InputError(f"{path} cannot be decoded", "The file is damaged, or no picture of its kind.")
        matrix = display_matrix(frames[0])
        upright = Orientation() if matrix is None else Orientation.of_matrix(matrix)
        return frames[0], upright or Orientation(), aspect_of(decoder.sample_aspect_ratio)

    def _fitting(self, frame: av.VideoFrame, upright: Orientation, path: Path) -> str:
        """The pixel format that a picture is brought into; mostly its own.

        Raises:
            InputError: There is none.
        """
        name = frame.format.name
        found = nearest(name)
        if found is None:
            raise InputError(
                f"{path} has pixel format {name}, whose samples are no colours",
                "It cannot be shown as it is: develop it with the program of the camera.",
            )
        if upright.transposed and LAYOUTS[found][0] is ChromaFormat.YUV422:
            found = with_chroma(found, ChromaFormat.YUV444)
        if found != name and not name.startswith("yuvj"):
            self._tell(nearest_taken(name, found))
        if any(each.is_alpha for each in frame.format.components):
            self._tell(ALPHA)
        return found

    def _tell(self, notice: str) -> None:
        if notice not in self.notices:
            self.notices.append(notice)


@final
class StillsWriter:
    """Writes 8-bit RGB pictures into a folder, as PNG or, where the name says so, as JPEG of high quality.

    Args:
        folder: Where the files go.
        name: File name; with ``%d`` or ``%05d`` for the number of the picture, counted from 1, if ``numbered``.
        numbered: False: there will be only one picture.
        aspect: Width of a sample divided by its height; None: nothing is said of it.
    """

    def __init__(self, folder: Path, name: str, numbered: bool, aspect: Fraction | None = None) -> None:
        self._aspect = aspect
        self._encode = png_file if kind_of(Path(name)) == "PNG" else encode_jpeg
        self._folder = folder
        self._name = name
        self._numbered = numbered
        self._written = 0

    def write(self, planes: Planes) -> None:
        """Write one picture.

        Raises:
            UsageError: It is the second one and they are not numbered.
        """
        self._written += 1
        if self._written > 1 and not self._numbered:
            raise UsageError(
                f"{self._name} holds one picture, but there are more",
                f"Number them, as in {quoted('_%05d'.join(os.path.splitext(self._name)))}, or write to a folder: name/",
            )
        name = self._name % self._written if self._numbered else self._name
        (self._folder / name).write_bytes(self._encode(planes, self._aspect))

    def close(self) -> None:
        """Every file is complete already."""
