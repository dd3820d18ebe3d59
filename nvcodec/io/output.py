"""Where a result goes: what is at a name, found out before any work, and how a finished file takes the name.

Regular files are replaced in one step, and only where that was allowed. Pipes, character devices and open descriptors
(``/dev/stdout``, ``/dev/fd/3``) stay what they are: the bytes are written into them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import BinaryIO

from nvcodec.errors import OutputError, RescuedError, UsageError, quoted
from nvcodec.io.standard import is_open, standard_output

_MOST_LINKS = 40
_MOST_NAME_BYTES = 200
"""Of a name that something is added to."""
_STREAMS = {stat.S_IFIFO: "a named pipe", stat.S_IFCHR: "a device"}
_REFUSED = {stat.S_IFDIR: "a folder", stat.S_IFBLK: "a block device", stat.S_IFSOCK: "a socket"}


@dataclass(frozen=True)
class Place:
    """What is at the name of an output."""

    name: str
    """As the user has it; ``-`` is standard output."""
    path: Path
    """What links at the name lead to."""
    is_stream: bool = False
    """Bytes are written into it, one after the other, and it stays what it is."""
    descriptor: int | None = None
    """Of a name such as /dev/fd/3, the open file that it stands for."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return "standard output" if self.name == "-" else self.name

    @property
    def is_standard_output(self) -> bool:
        """Whether it is standard output, by whatever name."""
        return self.descriptor == 1

    def open(self) -> BinaryIO:
        """Open a stream for writing, until :meth:`finish`.

        Raises:
            OSError: It cannot be.
            UsageError: Standard output is closed.
        """
        assert self.is_stream
        if self.name == "-":
            return standard_output()
        descriptor = self.descriptor
        return os.fdopen(os.open(self.path, os.O_WRONLY) if descriptor is None else os.dup(descriptor), "wb")

    def finish(self, stream: BinaryIO) -> None:
        """Write what is still kept back, and close what was opened.

        Raises:
            OSError: The system does not take it.
        """
        try:
            stream.flush()
        finally:
            if self.name != "-":
                with suppress(OSError):  # what is still to be written fails again
                    stream.close()

    def take(self, finished: Path, *, overwrite: bool) -> None:
        """Give the name to a finished file in the same folder; in one step, or not at all.

        Args:
            finished: Has the name of its own no more afterwards.
            overwrite: Replace what is there. Otherwise the name is taken only if nothing is: what appeared meanwhile is
                left alone, and the finished file gets a name beside it.

        Raises:
            RescuedError: Something is there; the file has another name.
            OSError: The system says no; the file is where it was.
        """
        if overwrite:
            os.replace(finished, self.path)
        else:
            try:
                _claim(finished, self.path)
            except FileExistsError:
                kept = rescue(finished, self.path)
                raise RescuedError(
                    f"{self.name} appeared meanwhile and was left alone; what was made is {kept}",
                    "Rename one of the two",
                ) from None
        _sync_folder(self.path.parent)


def place_of(path: str | Path) -> Place:
    """Find out what is at the name of an output, through all links.

    Raises:
        UsageError: Nothing can be written there: a folder, a block device, a socket, a descriptor that is not open, or
            links that lead in a circle.
    """
    name = str(path)
    if name == "-":
        return Place(name, Path("/dev/stdout"), True, 1)
    target = _followed(name)
    folder, last = os.path.split(target)
    if _holds_descriptors(folder) and last.isdecimal():
        if not is_open(int(last)):
            raise UsageError(f"{name} is not open", "Redirect it to a file or a pipe, or name a file")
        return Place(name, Path(target), True, int(last))
    try:
        kind = stat.S_IFMT(os.stat(target).st_mode)
    except (OSError, ValueError):  # nothing is there, or what is there cannot be seen
        return Place(name, Path(target))
    if kind in _REFUSED:
        raise UsageError(f"{name} is {_REFUSED[kind]}", "Give the name of a file")
    return Place(name, Path(target), kind in _STREAMS)


def check_output(path: str | Path, overwrite: bool, inputs: Iterable[str | Path] = ()) -> Place:
    """Refuse an output that could not be written, or would harm something, before any work is done.

    Args:
        path: The output.
        overwrite: Whether it may replace a file.
        inputs: What is read, see :func:`check_apart`.

    Returns:
        What is there.

    Raises:
        UsageError: It exists and may not be replaced, is of a kind that nothing can be written to or one of the inputs,
            or its folder cannot be written to.
    """
    place = place_of(path)
    check_apart([path], inputs)
    if place.is_stream:
        if place.descriptor is None and not os.access(place.path, os.W_OK):
            raise UsageError(f"{path} cannot be written to", "Choose another name, or change its permissions")
        return place
    if os.path.exists(place.path) and not overwrite:
        raise UsageError(f"{path} exists; add -y to replace it")
    folder = os.path.dirname(place.path if os.path.islink(path) else path) or "."
    if not os.path.isdir(folder):
        raise UsageError(f"{folder} is not a folder; cannot write {path}", f"Make it first:  mkdir -p {quoted(folder)}")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} cannot be written to", "Choose another folder, or change its permissions")
    return place


def check_apart(outputs: Sequence[str | Path], inputs: Iterable[str | Path] = ()) -> None:
    """Refuse outputs that are inputs too, or each other: by what they are, not by what they are called.

    Args:
        outputs: Names of outputs, which need not exist; ``-`` is standard output.
        inputs: Names of what is read; a folder stands for the files right in it, ``-`` for standard input.

    Raises:
        UsageError: There are such.
    """
    taken: dict[tuple[int | str, ...], str | Path] = {}
    for output in outputs:
        identity = _identity(output, 1)
        if identity is not None and identity in taken:
            raise UsageError(f"{taken[identity]} and {output} are one file", "Give every output a name of its own")
        if identity is not None:
            taken[identity] = output
    for given in inputs if taken else ():
        for path in _read(given):
            if (identity := _identity(path, 0)) in taken:
                raise UsageError(f"{taken[identity]} is the input itself", "Give the output another name")


def write_output(path: str | Path, data: bytes, *, overwrite: bool) -> None:
    """Write a file that is at hand as a whole, all or nothing, or write it into a stream.

    Raises:
        UsageError: Nothing can be written there.
        OutputError: The system says no; what was there is as it was.
        RescuedError: Something has appeared there meanwhile; the file has another name.
    """
    place = place_of(path)
    part = part_of(place.path)
    try:
        if place.is_stream:
            stream = place.open()
            stream.write(data)
            place.finish(stream)
            return
        try:
            with create(part) as file:
                file.write(data)
            place.take(part, overwrite=overwrite)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def file_for(path: str | Path) -> Iterator[str]:
    """A name for a result that has to be a file at first: its own, or, where it goes into a stream, a temporary one.

    What the temporary file holds is written into the stream in the end.

    Raises:
        RescuedError: The stream does not take it; the file was kept.
    """
    place = place_of(path)
    if not place.is_stream:
        yield str(path)
        return
    scratch = Path(tempfile.mkdtemp(prefix="nvc-"))
    kept = False
    try:
        file = scratch / "stream.nvc"
        yield str(file)
        try:
            stream = place.open()
            with file.open("rb") as data:
                shutil.copyfileobj(data, stream)
            place.finish(stream)
        except OSError as error:
            kept = True
            raise RescuedError(
                f"cannot write to {place.label}: {error.strerror}; what was made is {file}",
                "Move it where it should be",
            ) from None
    finally:
        if not kept:
            shutil.rmtree(scratch, ignore_errors=True)


def part_of(target: str | Path) -> Path:
    """Where a file is written before it takes its name: a hidden name that nobody else uses, the same each time.

    What a killed process left is so written over.
    """
    target = Path(target)
    return target.with_name(f".{_short(target.name)}.nvc-part")


@contextmanager
def create(path: Path) -> Iterator[BinaryIO]:
    """A new file to write, in the place of whatever a killed process left there; all the way to the disk in the end."""
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def rescue(finished: Path, target: Path) -> Path:
    """Give a finished file or folder a free name beside the one that was meant, and say which."""
    for number in count(1):
        again = f"-{number}" if number > 1 else ""
        kept = target.with_name(f"{_short(target.stem)}.rescued{again}{target.suffix}")
        if finished.is_dir():
            if not os.path.lexists(kept):
                finished.rename(kept)
                return kept
            continue
        try:
            _claim(finished, kept)
        except FileExistsError:
            continue
        return kept
    raise AssertionError


def _short(name: str) -> str:
    """A name that leaves room for more."""
    data = os.fsencode(name)
    return name if len(data) <= _MOST_NAME_BYTES else sha256(data).hexdigest()


def _claim(finished: Path, target: Path) -> None:
    """Rename a file to a name that nothing has.

    Raises:
        FileExistsError: Something has it.
    """
    try:
        os.link(finished, target)
    except FileExistsError:
        raise
    except (OSError, AttributeError, NotImplementedError):  # no hard links here: an empty file holds the place
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(finished, target)
    else:
        finished.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name last; not every system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _holds_descriptors(folder: str) -> bool:
    """Whether what lies in a folder stands for the open files of this process."""
    return bool(re.fullmatch(rf"(?:/dev|/proc/{os.getpid()}(?:/task/\d+)?)/fd", folder))


def _followed(name: str) -> str:
    """The name that all links lead to; what stands for an open descriptor is a link that is not followed.

    Raises:
        UsageError: They lead in a circle.
    """
    path = name
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(os.path.dirname(path) or ".")
        path = os.path.join(folder, os.path.basename(path))
        if _holds_descriptors(folder) or not os.path.islink(path):
            return path
        path = os.path.join(folder, os.readlink(path))
    raise UsageError(f"{name} is a link that leads nowhere", "Give the name of a file")


def _identity(path: str | Path, standard: int) -> tuple[int | str, ...] | None:
    """What a file is, whatever it is called; None for devices and sockets, which several may use."""
    try:
        found = os.fstat(standard) if str(path) == "-" else os.stat(path)
    except (OSError, ValueError):
        if str(path) == "-":
            return None
        try:
            folder, last = os.path.split(_followed(str(path)))
            above = os.stat(folder)
        except (OSError, ValueError, UsageError):
            return (os.path.abspath(path),)
        return above.st_dev, above.st_ino, last
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return None
    return found.st_dev, found.st_ino


def _read(given: str | Path) -> Iterator[str | Path]:
    """An input, and of a folder the files right in it."""
    yield given
    if str(given) != "-" and os.path.isdir(given):
        with suppress(OSError):
            yield from (os.path.join(given, name) for name in os.listdir(given))
