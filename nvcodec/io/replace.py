"""Changing a finished file without ever harming it: one writer at a time, and a new file in one step or none."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from nvcodec.errors import InputError, OutputError, UsageError
from nvcodec.io.output import create, part_of, place_of, write_output

_BLOCK_BYTES = 1 << 20
_LOCK_TRIES_S = 0.1


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Keep other processes of this user that do the same from changing a file meanwhile.

    The lock lies in the folder for temporary files, so that nothing is left beside the user's file; the system frees
    it when the process ends, however it ends. Streams are nobody's alone.

    Raises:
        UsageError: Another process is changing the file.
    """
    if place_of(path).is_stream:
        yield
        return
    busy = UsageError(f"{path} is being changed by another nvc", "Wait until it has ended, then try again")
    with ExitStack() as held:
        try:
            held.enter_context(locked(_lock_path(path), busy))
        except OSError as error:
            raise UsageError(
                f"cannot lock {path} in {tempfile.gettempdir()}: {error.strerror}", "Name another folder in TMPDIR"
            ) from None
        yield


@contextmanager
def locked(lock_path: str | Path, busy: UsageError) -> Iterator[None]:
    """Hold a lock, whose file is removed when nobody holds it any more.

    Raises:
        UsageError: ``busy``: another process holds it.
        OSError: The file cannot be made.
    """
    lock = FileLock(lock_path)
    try:
        # not at once: whoever holds it may just be removing the file, and then the next try makes a new one
        lock.acquire(timeout=_LOCK_TRIES_S, poll_interval=_LOCK_TRIES_S / 4)
    except Timeout:
        raise busy from None
    try:
        yield
    finally:
        # while it is held: who opens the file now finds, once the lock is theirs, that it has no name, and tries again
        with suppress(OSError):
            os.unlink(lock_path)
        lock.release()


def replace_with(
    path_in: str | Path,
    new_tail: bytes,
    output: str | Path,
    *,
    keep: int | None = None,
    made_for: bytes | None = None,
    overwrite: bool = True,
) -> None:
    """Write a file anew, its old bytes first and others behind them.

    ``output`` changes in one step when all of it is on the disk; whatever happens before leaves it as it was. It keeps
    its mode bits, and a new one takes those of ``path_in``. Into a stream the bytes are written.

    Args:
        path_in: File with the old bytes; ``-``: what was ``made_for`` came from standard input, and is not read again.
        new_tail: What comes behind them.
        output: Where to write; may be ``path_in``.
        keep: How many of the old bytes to take; None takes all.
        made_for: What ``path_in`` held when the new bytes were made, if it may have changed since.
        overwrite: Whether ``output`` may be there.

    Raises:
        InputError: ``path_in`` cannot be read.
        UsageError: ``path_in`` does not hold ``made_for`` any more.
        OutputError: ``output`` cannot be written.
        RescuedError: ``output`` has appeared, and may not be replaced.
    """
    place = place_of(output)
    if str(path_in) == "-":
        write_output(output, (made_for or b"")[:keep] + new_tail, overwrite=overwrite)
        return
    target = place.path  # a link stays a link
    temporary = part_of(target)
    try:
        old = Path(path_in).read_bytes()
        mode = stat.S_IMODE(os.stat(target if os.path.exists(target) else path_in).st_mode)
    except OSError as error:
        raise InputError(f"cannot read {path_in}: {error.strerror}") from None
    if made_for is not None and old != made_for:
        raise UsageError(f"{path_in} was changed by something else meanwhile", "Start again with the file as it is now")
    if place.is_stream:
        write_output(output, old[:keep] + new_tail, overwrite=True)
        return
    try:
        _write_through(temporary, old[:keep] + new_tail, mode)
        place.take(temporary, overwrite=overwrite)
    except OSError as error:
        raise OutputError(f"cannot write {output}: {error.strerror}", "The old file is as it was") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _lock_path(path: str | Path) -> str:
    name = sha256(os.path.realpath(path).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    user = os.getuid() if hasattr(os, "getuid") else 0  # nobody else's lock file can be opened for writing
    return os.path.join(tempfile.gettempdir(), f"nvc-{user}-{name}.lock")


def _write_through(path: Path, data: bytes, mode: int) -> None:
    """Write a file with its mode bits."""
    with create(path) as file:
        view = memoryview(data)
        for at in range(0, len(view), _BLOCK_BYTES):
            file.write(view[at : at + _BLOCK_BYTES])
    os.chmod(path, mode)
