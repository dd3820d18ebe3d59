"""Standard input and output as bytes; a program may be started without either."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO, TextIO

from nvcodec.errors import UsageError


def standard_input() -> BinaryIO:
    """The bytes of standard input.

    Raises:
        UsageError: It is closed.
    """
    if sys.stdin is None:
        raise UsageError("standard input is closed", "Pipe something in, or name a file")
    return sys.stdin.buffer


def standard_output() -> BinaryIO:
    """Where bytes for standard output go.

    Raises:
        UsageError: It is closed.
    """
    check_standard_output()
    return sys.stdout.buffer


def check_standard_output() -> None:
    """Refuse to go on without a standard output, of bytes or, as in tests and notebooks, of text alone.

    Raises:
        UsageError: It is closed.
    """
    if sys.stdout is None:
        raise UsageError("standard output is closed", "Pipe it on, or name a file with -o")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody is looking at, or typing into, a standard stream, which may be closed."""
    return stream is not None and stream.isatty()


def is_open(descriptor: int) -> bool:
    """Whether a file descriptor is open, and is not one of the three standard ones that stands in for a closed one."""
    standard = {0: sys.stdin, 1: sys.stdout, 2: sys.stderr}
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return standard.get(descriptor, sys) is not None


def fill_closed() -> None:
    """Let no file that is opened later become standard input, output or error, where libraries read and write."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for as long as we run)
