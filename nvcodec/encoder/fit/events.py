"""What a fit reports while it runs; progress bars, logs and scripts consume these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from nvcodec.tongues import spoken


@dataclass(frozen=True)
class Forecast:
    """What the encode is about to do, known before the first epoch."""

    model: str
    preset: str
    device: str
    parameters: int
    target_bytes: int | None
    """Size to stay under; None when quality is constant, or the bits are."""
    memory_bytes: int
    """Peak memory expected for the fit."""
    steps: int | None
    """Planned steps; None when time is the budget."""
    seconds: float
    """Planned or probed duration of the fit."""
    fixed_bits: int = 0
    """Bits that every parameter has; 0: what it costs is part of the fit."""


@dataclass(frozen=True)
class Step:
    """One sample of the running fit, sent about twice a second."""

    stage: str
    progress: float
    """Share of the schedule that is done, 0..1."""
    epoch: float
    epochs: float
    psnr_db: float
    """Running PSNR of the training pictures in the coding domain (YUV 6:1:1 or RGB)."""
    best_psnr_db: float
    estimated_bpp: float | None
    """None until the rate is part of the loss."""
    steps_per_s: float
    eta_s: float
    videos: tuple[tuple[str, float], ...] = ()
    """Of an archive: name and running PSNR of each video that was drawn."""


@dataclass(frozen=True)
class Notice:
    """Something the user should know: a roll-back, a fallback, a guess."""

    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", spoken(self.message))


Event = Forecast | Step | Notice
EventHandler = Callable[[Event], None]


def over_segments(event: Event, index: int, count: int) -> Event:
    """What the fit of one segment reports, as progress of all ``count`` of them; they are fitted in turn."""
    if count == 1 or not isinstance(event, Step):
        return event
    remaining = (count - index - 1) * event.eta_s / max(1 - event.progress, 1e-6)
    stage = f"{event.stage} {index + 1}/{count}"
    return replace(event, stage=stage, progress=(index + event.progress) / count, eta_s=event.eta_s + remaining)


def ignore(event: Event) -> None:
    """The handler that drops every event."""
