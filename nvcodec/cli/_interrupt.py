"""Ctrl-C, once: stop at the next step. Twice: now."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from nvcodec.cli._terminal import Terminal
from nvcodec.errors import InterruptedEncodeError


@contextmanager
def stop_on_interrupt(terminal: Terminal, overwrite: bool) -> Iterator[Callable[[], bool]]:
    """Catch the first Ctrl-C; yields a function that tells whether there was one.

    Args:
        terminal: Hears of it.
        overwrite: Whether ``-y`` was given, and has to be again by who goes on.
    """
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        terminal.note("\nStopping after this step; Ctrl-C again kills")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: stopped
    except InterruptedEncodeError as error:
        if overwrite and "--resume" in error.hint:
            error.hint += " -y"
        raise
    finally:
        signal.signal(signal.SIGINT, before)
