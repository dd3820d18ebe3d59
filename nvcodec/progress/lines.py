"""Lines on standard error."""

from __future__ import annotations

import sys
from contextlib import suppress


def tell(text: str) -> None:
    """Print a line or more, if anybody hears it: what is done does not hang on that."""
    if sys.stderr is not None:
        with suppress(OSError, RuntimeError, ValueError):  # RuntimeError in a signal handler amid another line
            print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Text without anything that a terminal would obey: file names and metadata are not ours."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def tell_plainly(text: str) -> None:
    """Print a line or more, without anything that a terminal would obey."""
    tell(printable(text))
