"""Ctrl-C, once: stop at the next step. Twice: now."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from nvcodec.cli._terminal import Terminal


@contextmanager
def stop_on_interrupt(terminal: Terminal) -> Iterator[Callable[[], bool]]:
    """Catch the first Ctrl-C; yields a function that tells whether there was one."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        terminal.note("\nStopping after this step; Ctrl-C again kills")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)
