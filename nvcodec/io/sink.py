"""Where pictures go: one way to write every kind of video, all or nothing."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, final

from nvcodec.color import converted, to_eight_bit, to_rgb, yuv_format
from nvcodec.errors import OutputError, RescuedError, UsageError, quoted
from nvcodec.io.output import Place, check_apart, place_of, rescue
from nvcodec.io.standard import is_terminal
from nvcodec.io.y4m import Y4mWriter
from nvcodec.io.yuv import YuvWriter
from nvcodec.types import NOTHING_SAID, ChromaFormat, Planes, SideData, VideoFormat

_H264_MOST_BITS = 10
_FOLDER_PATTERN = "%05d.png"
SUFFIXES = (".y4m", ".yuv", ".mp4", ".mkv", ".webm", ".gif", ".png", ".jpg", ".jpeg")
"""Kinds of video that can be written."""
_STREAMED = (".y4m", ".yuv")
"""Those that can be written without going back."""
_WITH_TIMES = (".mp4", ".mkv", ".webm", ".gif")
_WITH_SOUND = (".mp4", ".mkv", ".webm")
_STILLS = (".png", ".jpg", ".jpeg")


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
        target: Where the files belong.
        overwrite: Replace what is there.
        open_writer: Given the hidden folder, starts the files in it.
        convert: From the pictures of the caller to those of the file.
    """

    def __init__(
        self, target: _Target, overwrite: bool, open_writer: Callable[[Path], _Writer], convert: _Convert
    ) -> None:
        self._target, self._overwrite = target, overwrite
        self._folder = folder = target.folder
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
        replaced = self._target.in_the_way()
        if self._target.place is not None:
            self._target.place.take(written[0], overwrite=self._overwrite)
        elif replaced and not self._overwrite:
            kept = rescue(self._staging, self._folder / "pictures")
            raise RescuedError(
                f"{replaced[0]} appeared meanwhile and was left alone; what was made is in {kept}", "Rename one of them"
            )
        else:
            for file in written:
                place_of(self._folder / file.name).take(file, overwrite=self._overwrite)
            for old in replaced:
                if old.name not in {file.name for file in written}:
                    old.unlink(missing_ok=True)
        self._staging.rmdir()


@final
class _StreamSink(VideoSink):
    """A video written into a stream. What was written cannot be taken back; a closed pipe raises ``BrokenPipeError``.

    Args:
        place: The stream.
        open_writer: Starts the video in it.
        convert: From the pictures of the caller to those of the video.
    """

    def __init__(self, place: Place, open_writer: Callable[[BinaryIO], _Writer], convert: _Convert) -> None:
        self._place, self._convert = place, convert
        with _write_errors(place.label):
            self._stream = place.open()
            self._writer = open_writer(self._stream)

    def write(self, planes: Planes) -> None:
        with _write_errors(self._place.label):
            self._writer.write(self._convert(planes))

    def close(self) -> None:
        with _write_errors(self._place.label):
            self._place.finish(self._stream)

    def abort(self) -> None:
        """Nothing to remove."""
        with suppress(OSError, ValueError):  # what is still to be written may fail again, or all is closed
            self._place.finish(self._stream)


@dataclass(frozen=True)
class _Target:
    """Where the files of a video belong."""

    folder: Path
    """Made when it is missing."""
    name: str
    """What they are called, numbered or not; says the kind."""
    place: Place | None
    """Of the one file; None where pictures are numbered."""

    def in_the_way(self) -> list[Path]:
        """Existing files that the new ones replace."""
        if self.place is not None:
            return [self.place.path] if os.path.lexists(self.place.path) else []
        if not self.folder.is_dir():
            return []
        before, after = re.split(r"%(?:0\d)?d", self.name)
        numbered = re.compile(re.escape(before) + r"\d+" + re.escape(after))
        return sorted(file for file in self.folder.iterdir() if numbered.fullmatch(file.name))


def open_sink(
    path: str | Path,
    format: VideoFormat,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | Path] = (),
    side_data: SideData = NOTHING_SAID,
    audio_from: str | Path | None = None,
    audio_start: Fraction = Fraction(0),
) -> VideoSink:
    """Open a video for writing; the suffix says the kind, and nothing appears under its name before ``close``.

    ======================  =============================================================================
    ``.y4m``, ``.yuv``      YUV code values as they are; RGB is converted to 4:2:0 with the matrix of ``format``
    ``.mkv``                FFV1: lossless, all planes and depths there are, colour tags kept
    ``.mp4``                H.264 at CRF 12: to look at, **lossy**; RGB and grey become 4:2:0, 12 bit becomes 10
    ``.webm``               VP9 at CRF 16: likewise, for browsers
    ``.gif``                256 colours a frame, at most 50 frames per second
    ``.png``                8-bit RGB, one picture; several with ``name_%05d.png`` or a folder ``name/``
    ``.jpg``                JPEG, **lossy**, one picture or ``name_%05d.jpg``
    ``-``                   Y4M on standard output
    ======================  =============================================================================

    Named pipes, devices and names such as ``/dev/stdout`` and ``/dev/fd/3`` take Y4M, or what ``.yuv`` says. Links are
    followed.

    Args:
        path: Destination.
        format: Format of the pictures that will be written.
        overwrite: Replace what is there. Numbered pictures of an earlier video go even when the new one is shorter.
        inputs: What is read meanwhile, and must not be written over.
        side_data: Written as far as the kind of video can say it: all of it by .mkv and .mp4, the sample aspect ratio
            by .y4m and pictures, the chroma location by .y4m too.
        audio_from: A file whose sound is copied as it is, its first picture being the first one here; not of .gif.
        audio_start: Seconds of that file's pictures in front of the first one written.

    Raises:
        UsageError: The destination exists, cannot be written or is of no known kind; .mp4 or .mkv without frame rate,
            or with one it cannot count; or it cannot hold the sound.
        InputError: There is no sound to copy.
        UnsupportedError: A conversion is needed and the colour matrix is not known.
    """
    target = _target(path)
    if target.place is not None and target.place.is_stream:
        _check_audio(Path(target.name).suffix.lower() or ".y4m", audio_from)
        return _open_stream(target.place, format, inputs, side_data)
    replaced = target.in_the_way()
    check_apart([target.folder / target.name] if target.place is None else [target.place.name], inputs)
    if folders := [path for path in replaced if path.is_dir() and not path.is_symlink()]:
        raise UsageError(f"{folders[0]} is a folder", "Move it away, or write to another folder.")
    for old in replaced:
        if place_of(old).is_stream:
            raise UsageError(f"{old} is no file", "Choose another name")
        check_apart([old], inputs)
    if replaced and not overwrite:
        raise UsageError(f"{target.place.name if target.place else replaced[0]} exists; add -y to replace it")
    suffix = Path(target.name).suffix.lower()
    stored, convert = _stored_as(suffix, format)
    _check_audio(suffix, audio_from)
    sound = (Path(audio_from), audio_start) if audio_from is not None else None
    return _StagedSink(
        target, overwrite, lambda staging: _open_writer(staging, target.name, stored, side_data, sound), convert
    )


def _open_stream(place: Place, format: VideoFormat, inputs: Iterable[str | Path], side_data: SideData) -> _StreamSink:
    """Start a video in something that is no file."""
    if place.is_standard_output and is_terminal(sys.stdout):
        raise UsageError("standard output is a terminal", "Pipe the Y4M on:  nvc decode clip.nvc -o - | ffplay -")
    check_apart([place.name], inputs)
    suffix = Path(place.name).suffix.lower()
    if suffix in SUFFIXES and suffix not in _STREAMED:
        raise UsageError(
            f"{place.name} is no file, and a {suffix} cannot be written as a stream", "Write .y4m or .yuv there"
        )
    stored, convert = _stored_as(".y4m", format)
    kind = YuvWriter if suffix == ".yuv" else lambda stream: Y4mWriter(stream, stored, side_data)
    return _StreamSink(place, kind, convert)


def says_timestamps(path: str | Path) -> bool:
    """Whether a video of this name says when each frame is on screen; one of constant rate is all that others can."""
    return Path(path).suffix.lower() in _WITH_TIMES


def _check_audio(suffix: str, audio_from: str | Path | None) -> None:
    if audio_from is not None and suffix not in _WITH_SOUND:
        raise UsageError(
            f"a {suffix} video has no sound; --audio-from is for {', '.join(_WITH_SOUND)}", "Write one of these."
        )


def _target(path: str | Path) -> _Target:
    """Split into the folder and the file name or pattern in it."""
    is_folder = str(path).endswith(("/", os.sep)) or Path(path).is_dir()
    if is_folder and Path(path).suffix.lower() in SUFFIXES:
        raise UsageError(f"{path} is a folder", "Give the name of a file; PNG pictures go to name/.")
    name = _FOLDER_PATTERN if is_folder else Path(path).name
    place = None if is_folder or _is_numbered(name) else place_of(path)
    if place is not None and place.is_stream:
        return _Target(place.path.parent, name, place)
    folder = Path(path) if is_folder else Path(path).parent if place is None else place.path.parent
    parent = folder.parent if is_folder else folder
    if not parent.is_dir():
        shown = parent if place is None or os.path.islink(path) else Path(path).parent
        raise UsageError(f"{shown} is not a folder; cannot write {path}", f"Make it first:  mkdir -p {quoted(shown)}")
    if Path(name).suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"cannot tell what kind of video {path} should be",
            f"Use one of {', '.join(SUFFIXES)}, a folder ending in / for PNG pictures, or - for Y4M on stdout.",
        )
    return _Target(folder, name, place)


def _is_numbered(name: str) -> bool:
    """Whether a file name has one ``%d`` or ``%05d`` for the number of the picture, and no other use of ``%``."""
    return bool(re.fullmatch(r"[^%]*%(0\d)?d[^%]*\.(png|jpe?g)", name, re.IGNORECASE))


def _stored_as(suffix: str, format: VideoFormat) -> tuple[VideoFormat, _Convert]:
    """Choose the format of the pictures in a file, and the conversion to it."""
    rgb = format.chroma is ChromaFormat.RGB
    if suffix in (*_STILLS, ".gif"):
        if not rgb:
            yuv_format(format)
        return format, lambda planes: to_eight_bit(to_rgb(planes, format), format)
    stored = format if suffix == ".mkv" or not rgb else yuv_format(format)
    if suffix in (".mp4", ".webm"):
        shown = ChromaFormat.YUV420 if stored.chroma is ChromaFormat.GREY else stored.chroma
        stored = replace(stored, chroma=shown, bit_depth=min(stored.bit_depth, _H264_MOST_BITS))
    return stored, lambda planes: converted(planes, format, stored)


def _open_writer(
    staging: Path, name: str, format: VideoFormat, side_data: SideData, sound: tuple[Path, Fraction] | None
) -> _Writer:
    path = staging / name
    suffix = path.suffix.lower()
    if suffix == ".y4m":
        return Y4mWriter(path.open("xb"), format, side_data)
    if suffix == ".yuv":
        return YuvWriter(path.open("xb"))
    try:
        from nvcodec.io import gif, pyav, stills
    except ModuleNotFoundError as error:
        raise UsageError(f"{name} can only be written with PyAV", "pip install av   (or write .y4m)") from error
    if suffix == ".gif":
        return gif.GifWriter(path, format, side_data)
    if suffix in _STILLS:
        return stills.StillsWriter(staging, name, _is_numbered(name), side_data.aspect)
    return pyav.PyavWriter(path, format, side_data, *(sound or ()))


@contextmanager
def _write_errors(name: str | Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to {name}: {error.strerror}", "Check space and permissions.") from error
