"""Changing a finished file without ever harming it: one writer at a time, and a new file in one step or none."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from nvcodec.errors import InputError, UsageError

_BLOCK_BYTES = 1 << 20


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Keep other processes of this user that do the same from changing a file meanwhile.

    The lock lies in the folder for temporary files, so that nothing is left beside the user's file; the system frees
    it when the process ends, however it ends.

    Raises:
        UsageError: Another process is changing the file.
    """
    lock = FileLock(_lock_path(path))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{path} is being changed by another nvc", "Wait until it has ended, then try again") from None
    except OSError as error:
        raise UsageError(
            f"cannot lock {path} in {tempfile.gettempdir()}: {error.strerror}", "Name another folder in TMPDIR"
        ) from None
    try:
        yield
    finally:
        lock.release()


def replace_with(
    path_in: str | Path,
    new_tail: bytes,
    output: str | Path,
    *,
    keep: int | None = None,
    made_for: bytes | None = None,
) -> None:
    """Write a file anew, its old bytes first and others behind them.

    ``output`` changes in one step when all of it is on the disk; whatever happens before leaves it as it was. It keeps
    its mode bits, and a new one takes those of ``path_in``.

    Args:
        path_in: File with the old bytes.
        new_tail: What comes behind them.
        output: Where to write; may be ``path_in``.
        keep: How many of the old bytes to take; None takes all.
        made_for: What ``path_in`` held when the new bytes were made, if it may have changed since.

    Raises:
        InputError: ``path_in`` cannot be read.
        UsageError: ``output`` cannot be written, or ``path_in`` does not hold ``made_for`` any more.
    """
    target = os.path.realpath(output)  # a link stays a link
    temporary = f"{target}.part"  # the same name each time: what a killed process left is written over
    try:
        old = Path(path_in).read_bytes()
        mode = stat.S_IMODE(os.stat(target if os.path.exists(target) else path_in).st_mode)
    except OSError as error:
        raise InputError(f"cannot read {path_in}: {error.strerror}") from None
    if made_for is not None and old != made_for:
        raise UsageError(f"{path_in} was changed by something else meanwhile", "Start again with the file as it is now")
    try:
        _write_through(temporary, old[:keep] + new_tail, mode)
        os.replace(temporary, target)
        _sync_folder(os.path.dirname(target))
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}", "The old file is as it was") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _lock_path(path: str | Path) -> str:
    name = sha256(os.path.realpath(path).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    user = os.getuid() if hasattr(os, "getuid") else 0  # nobody else's lock file can be opened for writing
    return os.path.join(tempfile.gettempdir(), f"nvc-{user}-{name}.lock")


def _write_through(path: str, data: bytes, mode: int) -> None:
    """Write a file all the way to the disk."""
    with open(path, "wb") as file:
        view = memoryview(data)
        for at in range(0, len(view), _BLOCK_BYTES):
            file.write(view[at : at + _BLOCK_BYTES])
        file.flush()
        os.fsync(file.fileno())
    os.chmod(path, mode)


def _sync_folder(folder: str) -> None:
    """Make the new name last; not every system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
