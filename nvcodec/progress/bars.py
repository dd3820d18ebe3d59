"""Progress on stderr: a bar for people, lines for logs, NDJSON for programs, or nothing."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from nvcodec.encoder.fit.events import Event, Forecast, Notice, Step
from nvcodec.io.saying import about, plural
from nvcodec.progress.figures import clock, count, long_clock, rate, size
from nvcodec.progress.lines import printable, tell_plainly

_LINE_EVERY_S = 30.0
_LINE_EVERY_SHARE = 0.1
_LINE_AFTER_S = 3.0
"""Going through frames often takes a moment only, which is not worth a line."""
_JSON_EVERY_S = 0.5
_VIDEOS_SHOWN = 4
_WIDE = 116
"""Columns that the whole line takes."""


@dataclass(frozen=True)
class Frames:
    """Progress of a command that goes through frames."""

    stage: str
    done: int
    total: int | None
    fps: float
    eta_s: float
    """Infinite while the end is not known."""

    @property
    def progress(self) -> float:
        """Share that is done, 0..1; 0 while the end is not known."""
        return self.done / self.total if self.total else 0.0


class Progress:
    """Shows lines that stay, and no progress; a context manager that tidies up however the command ends.

    Subclasses show progress too.

    Args:
        say: Prints a line that stays.
    """

    def __init__(self, say: Callable[[str], None] = tell_plainly) -> None:
        self._say = say
        self._began = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def on_event(self, event: Event) -> None:
        """Show an event of an encode."""
        if isinstance(event, Step):
            self.show(event)
        elif isinstance(event, Notice):
            self.say(event.message)
        else:
            self.say(forecast_line(event))

    def frame_counter(self, stage: str) -> FrameCounter:
        """A handler for the frames of a decode or of a measurement."""
        return FrameCounter(self, stage)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._say(text)

    def close(self) -> None:
        """Leave the terminal as it was found."""

    def show(self, step: Step | Frames) -> None:
        """Show how far the command is."""


class FrameCounter:
    """Turns (done, total) into :class:`Frames`."""

    def __init__(self, progress: Progress, stage: str) -> None:
        self._progress, self._stage = progress, stage
        self._began = time.monotonic()
        self._shown = -math.inf

    def __call__(self, done: int, total: int | None) -> None:
        """Hear of another frame."""
        now = time.monotonic()
        if now - self._shown < 0.1 and done != total:
            return
        self._shown = now
        fps = done / max(now - self._began, 1e-9)
        eta_s = (total - done) / fps if total and fps else math.inf
        self._progress.show(Frames(self._stage, done, total, fps, eta_s))


class PlainProgress(Progress):
    """One line per 30 seconds or 10 %, whichever comes first, and one at the end."""

    def __init__(self, say: Callable[[str], None] = tell_plainly) -> None:
        super().__init__(say)
        self._line_at = self._began
        self._stage = ""
        self._share = 0.0

    def show(self, step: Step | Frames) -> None:
        """Print a line when it is time for one."""
        now = time.monotonic()
        if step.stage != self._stage and isinstance(step, Frames):
            self._share, self._line_at, self._stage = 0.0, now, step.stage
        further = step.progress - self._share >= _LINE_EVERY_SHARE or step.progress >= 1 > self._share
        if isinstance(step, Frames):
            further &= now - self._line_at >= _LINE_AFTER_S
        if further or now - self._line_at >= _LINE_EVERY_S:
            self._line_at, self._share = now, step.progress
            self.say(f"[{long_clock(now - self._began)}] {plain_line(step)}")


class JsonProgress(Progress):
    """Every event as one line of JSON."""

    def __init__(self, say: Callable[[str], None] = tell_plainly) -> None:
        super().__init__(say)
        self._line_at = -math.inf

    def on_event(self, event: Event) -> None:
        """Print an event."""
        if isinstance(event, Forecast):
            self._print({"event": "forecast", **asdict(event)})
        else:
            super().on_event(event)

    def say(self, text: str) -> None:
        """Print a notice."""
        self._print({"event": "notice", "message": text})

    def show(self, step: Step | Frames) -> None:
        """Print a step."""
        now = time.monotonic()
        if now - self._line_at < _JSON_EVERY_S and step.progress < 1:
            return
        self._line_at = now
        if isinstance(step, Frames):
            self._print({"event": "frames", **asdict(step)})
            return
        self._print(
            {
                "event": "step",
                "stage": step.stage,
                "progress": step.progress,
                "epoch": step.epoch,
                "epochs": step.epochs,
                "psnr_yuv_db": step.psnr_db,
                "best_psnr_yuv_db": step.best_psnr_db,
                "est_bpp": step.estimated_bpp,
                "it_per_s": step.steps_per_s,
                "eta_s": step.eta_s,
                **({"videos": dict(step.videos)} if step.videos else {}),
            }
        )

    def _print(self, event: dict[str, Any]) -> None:
        finite = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in event.items()
        }
        self._say(json.dumps(finite))


class BarProgress(Progress):
    """A live line at the bottom of the terminal."""

    def __init__(self, say: Callable[[str], None] = tell_plainly) -> None:
        super().__init__(say)
        from rich.console import Console
        from rich.progress import BarColumn, TaskID, TextColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True, highlight=False)
        self._narrow = console.width < _WIDE
        self._bar = RichProgress(
            TextColumn("{task.description:<6}", markup=False),
            BarColumn(bar_width=12 if self._narrow else 28),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None

    def show(self, step: Step | Frames) -> None:
        """Move the bar."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(step.stage, total=1.0, figures="")
        self._bar.update(
            self._task,
            description=step.stage,
            total=None if isinstance(step, Frames) and not step.total else 1.0,
            completed=step.progress,
            figures=bar_figures(step, self._narrow),
        )

    def close(self) -> None:
        """Remove the bar: the summary takes its place."""
        with suppress(OSError):  # the terminal has gone
            self._bar.stop()


def make_progress(kind: str, say: Callable[[str], None] = tell_plainly, *, quiet: bool = False) -> Progress:
    """The progress asked for; ``auto`` is a bar where one can be drawn, else plain lines.

    Args:
        kind: ``auto``, ``bar``, ``plain``, ``json`` or ``none``.
        say: Prints a line that stays.
        quiet: Show no progress after all.
    """
    if quiet or kind == "none":
        return Progress(say)
    if kind == "auto":
        dumb = os.environ.get("TERM") == "dumb" or bool(os.environ.get("CI"))
        kind = "bar" if _in_notebook() or (sys.stderr.isatty() and not dumb) else "plain"
    kinds: dict[str, type[Progress]] = {"bar": BarProgress, "plain": PlainProgress, "json": JsonProgress}
    return kinds[kind](say)


def progress_bar() -> Progress:
    """What functions of Python show for ``progress=True``: what commands show by themselves."""
    return make_progress("auto")


def _in_notebook() -> bool:
    """Whether rich can draw a bar below a cell: it does so with a widget."""
    if "IPython" not in sys.modules or find_spec("ipywidgets") is None:
        return False
    from rich.console import Console

    return Console().is_jupyter


def forecast_line(event: Forecast) -> str:
    """What the encode is about to do."""
    quality = f"{event.fixed_bits} bits each" if event.fixed_bits else "constant quality"
    target = quality if event.target_bytes is None else f"at most {size(event.target_bytes)}"
    steps = "" if event.steps is None else f", {plural(event.steps, 'step')}"
    return (
        f"{event.model} {event.preset}: {count(event.parameters)} parameters, {target}, "
        f"{size(event.memory_bytes)} memory{steps}, about {about(event.seconds)} on {event.device}"
    )


def bar_figures(step: Step | Frames, narrow: bool = False) -> str:
    """What stands right of the bar; the essentials only where the terminal is narrow."""
    if isinstance(step, Frames):
        of_total = f"/{step.total}" if step.total else ""
        left = f"  {clock(step.eta_s)} left" if math.isfinite(step.eta_s) else ""
        return f"frame {step.done}{of_total}  {rate(step.fps)} fps{left}"
    if narrow:
        bpp = "" if step.estimated_bpp is None else f"  {step.estimated_bpp:.4f} bpp"
        return f"epoch {_epoch(step)}  {step.psnr_db:.2f} dB{bpp}  {clock(step.eta_s)} left"
    bpp = "" if step.estimated_bpp is None else f"  est {step.estimated_bpp:.4f} bpp"
    return (
        f"epoch {_epoch(step)}  PSNR {step.psnr_db:.2f} (best {step.best_psnr_db:.2f}) dB{bpp}  "
        f"{rate(step.steps_per_s)} it/s  {clock(step.eta_s)} left"
    )


def _epoch(step: Step) -> str:
    # the number of epochs is not known before the first step of a fit that is planned in time
    return f"{step.epoch:.0f}" + (f"/{step.epochs:.0f}" if step.epochs >= 1 else "")


def plain_line(step: Step | Frames) -> str:
    """What a log line says, as pairs of name and value."""
    if isinstance(step, Frames):
        share = f" {step.progress:.0%}" if step.total else ""
        of_total = f"/{step.total}" if step.total else ""
        return f"{step.stage}{share} frame {step.done}{of_total} fps {rate(step.fps)} eta {long_clock(step.eta_s)}"
    bpp = "" if step.estimated_bpp is None else f" est_bpp {step.estimated_bpp:.4f}"
    return (
        f"{step.stage} {step.progress:.0%} epoch {_epoch(step)} psnr {step.psnr_db:.2f} "
        f"best {step.best_psnr_db:.2f}{bpp} it/s {rate(step.steps_per_s)} eta {long_clock(step.eta_s)}{_videos(step)}"
    )


def _videos(step: Step) -> str:
    """How far each video of an archive is; of many, the worst and the best."""
    if len(step.videos) < 2:
        return ""
    shown = list(step.videos)
    if len(shown) > _VIDEOS_SHOWN:
        shown = [min(shown, key=lambda video: video[1]), max(shown, key=lambda video: video[1])]
    return "  " + ", ".join(f"{printable(name)} {psnr_db:.2f}" for name, psnr_db in shown)
