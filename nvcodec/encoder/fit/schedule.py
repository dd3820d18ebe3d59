"""Where a fit stands in its schedule, and what follows from that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, exp, log, pi

from nvcodec.config.fit import FitConfig, Stage


@dataclass
class Budget:
    """Counts steps or seconds, whichever the schedule is planned in.

    A plan in steps gives the same bytes every time on a CPU (a GPU adds up in an order of its own, and what a host
    works out beside it arrives when it does); a plan in seconds ends on time on any machine.
    """

    steps: int | None
    """Length of the schedule in steps."""
    seconds: float | None = None
    """Length of the schedule in seconds; wins over ``steps``."""
    done_steps: int = 0
    done_seconds: float = 0.0
    """Time spent by earlier runs of a resumed fit."""
    clock: Callable[[], float] = time.monotonic
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        assert self.steps or self.seconds
        self._started = self.clock()

    def start(self) -> None:
        """Start the clock again: what came before was preparation."""
        self._started = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds of fitting so far, earlier runs included."""
        return self.done_seconds + self.clock() - self._started

    @property
    def progress(self) -> float:
        """Share of the schedule that is done, 0..1."""
        if self.seconds is not None:
            return min(self.elapsed / self.seconds, 1.0)
        assert self.steps is not None
        return min(self.done_steps / self.steps, 1.0)

    @property
    def expected_steps(self) -> float:
        """Length of the whole schedule in steps, at the speed so far."""
        if self.seconds is None and self.steps is not None:
            return self.steps
        return self.done_steps / max(self.progress, 1e-9)

    @property
    def remaining_s(self) -> float:
        """Seconds to the end at the speed so far."""
        progress = self.progress
        return self.elapsed * (1 - progress) / progress if progress > 0 else float("inf")


_KEPT_BACK = 0.02
_NOT_QUITE_0 = 1e-3
"""Of the schedule: the first step moves something, too."""
_LATE_SHARE, _LATE_S = 0.1, 5.0
"""Nobody minds an end that is later by a tenth, or by a few seconds."""


@dataclass(frozen=True)
class Deadline:
    """When a whole encode is to be over, counted from its start."""

    seconds: float
    started: float
    """On the clock of :func:`time.monotonic`."""

    def for_fit(self, behind_s: float, share: float) -> float:
        """Seconds for a fit, at least a moment.

        Args:
            behind_s: What comes behind all fits takes so long; a fiftieth of everything is kept back besides.
            share: Of all that is still to be fitted, what this fit is.
        """
        return max(self._left(behind_s) - _KEPT_BACK * self.seconds, 1.0) * share

    def is_late(self, behind_s: float) -> bool:
        """Whether even without a fit all would be over much too late, where so many seconds come behind it."""
        return -self._left(behind_s) > max(_LATE_SHARE * self.seconds, _LATE_S)

    def enough_for(self, fit_s: float, behind_s: float) -> float:
        """Seconds that would do for a fit that takes so long, and what comes behind it."""
        return (time.monotonic() - self.started + fit_s + behind_s) / (1 - _KEPT_BACK)

    def _left(self, behind_s: float) -> float:
        return self.seconds - (time.monotonic() - self.started) - behind_s


def learning_rate(progress: float, config: FitConfig) -> float:
    """Linear warm-up and a cosine to ``final_learning_rate`` of the peak; one more where bits are fixed apart."""
    peak, floor = config.learning_rate, config.final_learning_rate
    again = config.fixed_from if config.fixed_bits and config.fixed_rate else 1.0
    if progress >= again and again < 1:
        return peak * config.fixed_rate * _cosine((progress - again) / (1 - again), floor)
    risen = min(1.0, (progress + _NOT_QUITE_0) / config.warmup) if config.warmup else 1.0
    begins = config.warmup if config.cosine_from_warmup else 0.0
    fall = _cosine(max(progress - begins, 0.0) / max(again - begins, _NOT_QUITE_0), floor)
    return peak * (config.warmup_from + (1 - config.warmup_from) * risen) * fall


def _cosine(share: float, floor: float) -> float:
    """Half a period, from 1 to a floor."""
    return floor + (1 - floor) * 0.5 * (1 + cos(pi * min(share, 1.0)))


def stage_at(progress: float, stages: tuple[Stage, ...]) -> Stage:
    """The stage that ``progress`` falls into."""
    return next((stage for stage in stages if progress < stage.until), stages[-1])


def rate_ramp(progress: float, config: FitConfig) -> float:
    """How far the rate has been brought down: 0 at ``rate_from``, 1 from ``rate_reached`` on."""
    span = config.rate_reached - config.rate_from
    return min(max((progress - config.rate_from) / span, 0.0), 1.0) if span > 0 else 1.0


def geometric(start: float, end: float, share: float) -> float:
    """A point on the logarithmic way from ``start`` to ``end``."""
    return exp(log(start) * (1 - share) + log(end) * share)
