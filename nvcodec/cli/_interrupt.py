"""Ctrl-C, and the signals by which others ask us to end: an encode saves its state, all else tidies up."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from nvcodec.cli._terminal import Terminal
from nvcodec.errors import InterruptedEncodeError, Terminated

_Handler = Callable[[int, FrameType | None], object]
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""What ends a program that does nothing about it; Ctrl-C raises KeyboardInterrupt by itself."""


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise :class:`Terminated` where they are, so that what is half done is tidied up."""

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends at once
        raise Terminated(number)

    with _handling(_ENDING, end):
        yield


@contextmanager
def stop_on_interrupt(terminal: Terminal, overwrite: bool) -> Iterator[Callable[[], bool]]:
    """Catch the first Ctrl-C or other such signal; yields a function that tells whether there was one.

    Ctrl-C, once: stop at the next step. Twice: now.

    Args:
        terminal: Hears of it.
        overwrite: Whether ``-y`` was given, and has to be again by who goes on.
    """
    stopped_by: int | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped_by
        stopped_by = number
        signal.signal(number, signal.SIG_DFL)
        terminal.note("\nStopping after this step; Ctrl-C again kills")

    try:
        with _handling([signal.SIGINT, *_ENDING], stop):
            yield lambda: stopped_by is not None
    except InterruptedEncodeError as error:
        if stopped_by is not None:
            error.exit_code = 128 + stopped_by
        if overwrite and "--resume" in error.hint:
            error.hint += " -y"
        raise


@contextmanager
def _handling(numbers: list[signal.Signals], handler: _Handler) -> Iterator[None]:
    """Handle signals, but for those that whoever started us wants ignored, as ``nohup`` does."""
    before = {}
    for number in numbers:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
