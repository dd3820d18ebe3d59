"""What callers from Python are shown while a function works, and told when it is done."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from nvcodec.encoder.fit.events import Event, EventHandler
from nvcodec.encoder.result import EncodeResult, LayerResult
from nvcodec.errors import TargetNotReachedWarning
from nvcodec.progress.bars import progress_bar
from nvcodec.tongues import spoken

FrameHandler = Callable[[int, int | None], None]
"""Hears of frames done and, where known, frames in all."""
_Result = TypeVar("_Result", bound=EncodeResult | LayerResult)


@dataclass(frozen=True)
class Hearing:
    """Who hears of what: the caller, and the bar where one was asked for."""

    on_event: EventHandler
    on_frames: FrameHandler
    say: Callable[[str], None]


@contextmanager
def shown(
    progress: bool,
    stage: str,
    *,
    on_event: EventHandler = lambda event: None,
    on_frames: Callable[[int, int], None] | FrameHandler = lambda done, total: None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Hearing]:
    """The handlers of a call, and a bar beside them while it works.

    Args:
        progress: Whether there is to be a bar.
        stage: What it calls going through frames.
        on_event: The caller's, like all that follows.
        on_frames: Hears of frames.
        say: Hears of what is to be told, in Python's terms.
    """
    if not progress:
        yield Hearing(on_event, on_frames, lambda text: say(spoken(text)))  # type: ignore[arg-type]
        return
    with progress_bar() as bar:
        count = bar.frame_counter(stage)

        def event(what: Event) -> None:
            bar.on_event(what)
            on_event(what)

        def frames(done: int, total: int | None) -> None:
            count(done, total)
            on_frames(done, total)  # type: ignore[arg-type]

        def text(what: str) -> None:
            bar.say(spoken(what))
            say(spoken(what))

        yield Hearing(event, frames, text)


def warned(result: _Result) -> _Result:
    """A result, after a warning where its target was missed."""
    if result.shortfall is not None:
        warnings.warn(f"target not reached: {spoken(result.shortfall)}", TargetNotReachedWarning, stacklevel=4)
    return result
