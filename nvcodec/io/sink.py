"""Where pictures go: one way to write every kind of video, all or nothing."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, final

from nvcodec.color import rgb_to_yuv, to_eight_bit, yuv420_format, yuv_to_rgb
from nvcodec.errors import UsageError
from nvcodec.io.y4m import Y4mWriter
from nvcodec.io.yuv import YuvWriter
from nvcodec.types import ChromaFormat, Planes, VideoFormat

_FOLDER_PATTERN = "%05d.png"
SUFFIXES = (".y4m", ".yuv", ".mp4", ".mkv", ".png")
"""Kinds of video that can be written."""


class VideoSink(ABC):
    """A video being written; a context manager that commits when all went well and aborts on an exception."""

    @abstractmethod
    def write(self, planes: Planes) -> None:
        """Append one picture in the format the sink was opened with.

        Raises:
            UsageError: The disk is full or the like, or a second picture goes into a single .png.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the video and give it its name. Does nothing after an abort or another close.

        Raises:
            UsageError: The end of the video cannot be written, or no picture was.
        """

    @abstractmethod
    def abort(self) -> None:
        """Leave nothing behind. Does nothing after a close."""

    def __enter__(self) -> VideoSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()


class _Writer(Protocol):
    """One kind of video file."""

    def write(self, planes: Planes) -> None: ...

    def close(self) -> None: ...


_Convert = Callable[[Planes], Planes]


@final
class _StagedSink(VideoSink):
    """Writes into a hidden folder beside the destination, and moves the files from there when all are complete.

    Args:
        folder: Where the files belong; made when it is missing.
        replaced: Files there that the new video takes the place of, under the same names or not.
        open_writer: Given the hidden folder, starts the files in it.
        convert: From the pictures of the caller to those of the file.
    """

    def __init__(
        self, folder: Path, replaced: list[Path], open_writer: Callable[[Path], _Writer], convert: _Convert
    ) -> None:
        self._folder = folder
        self._replaced = replaced
        self._convert = convert
        self._open = True
        self._empty = True
        with _write_errors(folder):
            self._staging = Path(tempfile.mkdtemp(prefix=".nvc-", dir=folder if folder.is_dir() else folder.parent))
            try:
                self._writer = open_writer(self._staging)
            except BaseException:
                shutil.rmtree(self._staging, ignore_errors=True)
                raise

    def write(self, planes: Planes) -> None:
        with _write_errors(self._folder):
            self._writer.write(self._convert(planes))
        self._empty = False

    def close(self) -> None:
        if not self._open:
            return
        try:
            if self._empty:
                raise UsageError(f"no picture to write to {self._folder}", "Ask for at least one frame.")
            with _write_errors(self._folder):
                self._writer.close()
                self._commit()
        except BaseException:
            self.abort()
            raise
        self._open = False

    def abort(self) -> None:
        if not self._open:
            return
        self._open = False
        # The encoder may fail again on what made us abort; its files go anyway.
        with suppress(OSError, ValueError):
            self._writer.close()
        shutil.rmtree(self._staging, ignore_errors=True)

    def _commit(self) -> None:
        self._folder.mkdir(exist_ok=True)
        written = sorted(self._staging.iterdir())
        for file in written:
            os.replace(file, self._folder / file.name)
        for old in self._replaced:
            if old.name not in {file.name for file in written}:
                old.unlink(missing_ok=True)
        self._staging.rmdir()


@final
class _StdoutSink(VideoSink):
    """Y4M on standard output. What was written cannot be taken back; a closed pipe raises ``BrokenPipeError``."""

    def __init__(self, format: VideoFormat, convert: _Convert) -> None:
        self._convert = convert
        self._writer = Y4mWriter(sys.stdout.buffer, format)

    def write(self, planes: Planes) -> None:
        self._writer.write(self._convert(planes))

    def close(self) -> None:
        sys.stdout.buffer.flush()

    def abort(self) -> None:
        """Nothing to remove."""


def open_sink(path: str | Path, format: VideoFormat, *, overwrite: bool = False) -> VideoSink:
    """Open a video for writing; the suffix says the kind, and nothing appears under its name before ``close``.

    ======================  =============================================================================
    ``.y4m``, ``.yuv``      4:2:0 code values as they are; RGB is converted with the matrix of ``format``
    ``.mkv``                FFV1: lossless, 4:2:0 and RGB, 8 and 10 bit, colour tags kept
    ``.mp4``                H.264 at CRF 12: to look at, **lossy**; RGB is converted
    ``.png``                8-bit RGB, one picture; several with ``name_%05d.png`` or a folder ``name/``
    ``-``                   Y4M on standard output
    ======================  =============================================================================

    Args:
        path: Destination.
        format: Format of the pictures that will be written.
        overwrite: Replace what is there. Numbered pictures of an earlier video go even when the new one is shorter.

    Raises:
        UsageError: The destination exists, cannot be written or is of no known kind; .mp4 or .mkv without frame rate.
        UnsupportedError: A conversion is needed and the colour matrix is not known.
    """
    if str(path) == "-":
        if sys.stdout.isatty():
            raise UsageError("standard output is a terminal", "Pipe the Y4M on:  nvc decode clip.nvc -o - | ffplay -")
        stored, convert = _stored_as(".y4m", format)
        return _StdoutSink(stored, convert)
    folder, name = _destination(path)
    suffix = Path(name).suffix.lower()
    replaced = _in_the_way(folder, name)
    if replaced and not overwrite:
        raise UsageError(f"{replaced[0]} exists; add -y to replace it")
    stored, convert = _stored_as(suffix, format)
    return _StagedSink(folder, replaced, lambda staging: _open_writer(staging, name, stored), convert)


def _destination(path: str | Path) -> tuple[Path, str]:
    """Split into the folder and the file name or pattern in it."""
    is_folder = str(path).endswith(("/", os.sep)) or Path(path).is_dir()
    folder, name = (Path(path), _FOLDER_PATTERN) if is_folder else (Path(path).parent, Path(path).name)
    parent = folder.parent if is_folder else folder
    if not parent.is_dir():
        raise UsageError(f"{parent} is not a folder; cannot write {path}", f"Make it first:  mkdir -p {parent}")
    suffix = Path(name).suffix.lower()
    if is_folder and Path(path).suffix.lower() in SUFFIXES:
        raise UsageError(f"{path} is a folder", "Give the name of a file; PNG pictures go to name/.")
    if suffix not in SUFFIXES:
        raise UsageError(
            f"cannot tell what kind of video {path} should be",
            f"Use one of {', '.join(SUFFIXES)}, a folder ending in / for PNG pictures, or - for Y4M on stdout.",
        )
    return folder, name


def _in_the_way(folder: Path, name: str) -> list[Path]:
    """Existing files that the new ones replace."""
    if not _is_numbered(name):
        return [folder / name] if os.path.lexists(folder / name) else []
    if not folder.is_dir():
        return []
    before, after = re.split(r"%(?:0\d)?d", name)
    numbered = re.compile(re.escape(before) + r"\d+" + re.escape(after))
    return sorted(file for file in folder.iterdir() if numbered.fullmatch(file.name))


def _is_numbered(name: str) -> bool:
    """Whether a file name has one ``%d`` or ``%05d`` for the number of the picture, and no other use of ``%``."""
    return bool(re.fullmatch(r"[^%]*%(0\d)?d[^%]*\.png", name, re.IGNORECASE))


def _stored_as(suffix: str, format: VideoFormat) -> tuple[VideoFormat, _Convert]:
    """Choose the format of the pictures in a file, and the conversion to it."""
    if suffix == ".png":
        if format.chroma is ChromaFormat.RGB:
            return format, lambda planes: to_eight_bit(planes, format)
        yuv420_format(format)
        return format, lambda planes: to_eight_bit(yuv_to_rgb(planes, format), format)
    if format.chroma is ChromaFormat.RGB and suffix != ".mkv":
        return yuv420_format(format), lambda planes: rgb_to_yuv(planes, format)
    return format, lambda planes: planes


def _open_writer(staging: Path, name: str, format: VideoFormat) -> _Writer:
    path = staging / name
    suffix = path.suffix.lower()
    if suffix == ".y4m":
        return Y4mWriter(path.open("xb"), format)
    if suffix == ".yuv":
        return YuvWriter(path.open("xb"))
    try:
        from nvcodec.io import png, pyav
    except ModuleNotFoundError as error:
        raise UsageError(f"{name} can only be written with PyAV", "pip install av   (or write .y4m)") from error
    return png.PngWriter(staging, name, _is_numbered(name)) if suffix == ".png" else pyav.PyavWriter(path, format)


@contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}", "Check space and permissions.") from error
