"""The weight of the rate while a fit runs: constant, or steered so that a size or a quality is met."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nvcodec.encoder.fit.schedule import geometric


@dataclass(frozen=True)
class Reading:
    """What is measured on a running fit."""

    bits: float
    """Size that the payload would have now."""
    psnr_db: float
    """Quality that the decoded segment would have now, mean over frames."""
    ramp: float
    """How far the rate should have come down, 0..1."""
    learning: float
    """Learning rate in units of its peak."""
    elapsed: float
    """Share of the schedule since the last reading."""


class RateWeight(Protocol):
    """Lagrange multiplier of the rate, in units of distortion per bit per pixel."""

    value: float
    sees_quality: bool
    """Whether it looks at the quality."""

    def update(self, now: Reading) -> None:
        """Adapt to what is measured now."""

    def state(self) -> list[float]:
        """Everything learned, as numbers."""

    def load(self, numbers: Sequence[float]) -> None:
        """Continue from :meth:`state`."""


class ConstantWeight:
    """Constant quality: the multiplier rises along the ramp to its final value and stays there."""

    sees_quality = False

    def __init__(self, final: float) -> None:
        self.final = final
        self.value = 0.0

    def update(self, now: Reading) -> None:
        """See :class:`RateWeight`."""
        self.value = _rising(self.final, now.ramp)

    def state(self) -> list[float]:
        """See :class:`RateWeight`."""
        return []

    def load(self, numbers: Sequence[float]) -> None:
        """See :class:`RateWeight`."""


class TargetWeight:
    """Feedback: the multiplier moves until the rate follows its way down to the target.

    The wanted rate falls geometrically from where it was when the ramp began to the target. The multiplier is a
    proportional and an integral controller of the logarithm of the deviation, bounded so that it cannot run away; all
    in units of the schedule, so that short and long fits are steered alike.
    """

    sees_quality = False

    _STEEPNESS = 5.0
    """Deviations of 20 % and more count as one."""
    _GAIN = 60.0
    """Integral: exponents of the multiplier per deviation of one and schedule."""
    _PROMPT = 3.0
    """Proportional: exponents per deviation of one."""
    _BOUNDS = 1e-9, 1.0

    def __init__(self, target_bits: float) -> None:
        self.target_bits = target_bits
        self.first_bits: float | None = None
        self.value = self.integrated = 1e-5

    def update(self, now: Reading) -> None:
        """See :class:`RateWeight`."""
        if self.first_bits is None:
            self.first_bits = max(now.bits, self.target_bits)
        wanted = geometric(self.first_bits, self.target_bits, now.ramp)
        deviation = _within(math.log(max(now.bits, 1.0) / wanted) * self._STEEPNESS, (-1.0, 1.0))
        self.integrated = _within(self.integrated * math.exp(self._GAIN * now.elapsed * deviation), self._BOUNDS)
        self.value = self.integrated * math.exp(self._PROMPT * deviation)

    def state(self) -> list[float]:
        """See :class:`RateWeight`."""
        return [self.value, self.integrated, math.nan if self.first_bits is None else self.first_bits]

    def load(self, numbers: Sequence[float]) -> None:
        """See :class:`RateWeight`."""
        self.value, self.integrated, first = numbers
        self.first_bits = None if math.isnan(first) else first


class QualityWeight:
    """Feedback: the multiplier moves until the quality, and no more than that, is reached.

    It rises along the ramp to a usual multiple of the error wanted, times a factor that is integrated from the
    deviation in decibels. Quality also rises by itself while the learning rate falls, so before the end less than the
    target is wanted; but never less than half of the way there, or a layer would give up what it starts with.
    """

    sees_quality = True

    _GAIN = 40.0
    """Exponents of the factor, per decibel and schedule."""
    _STILL_TO_COME_DB = 2.7
    """What a fit gains from the full learning rate to none."""
    _USUAL = 5.0
    """Multiplier in units of the error, at which fits of any quality ended within a factor of three."""
    _BOUNDS = 1e-3, 20.0
    """Of the factor. Upwards there is little room: where the rate costs too much, a network forgets the picture for
    good."""

    def __init__(self, target_db: float) -> None:
        self.target_db = target_db
        self.first_db: float | None = None
        self.factor = 1.0
        self.value = 0.0

    def update(self, now: Reading) -> None:
        """See :class:`RateWeight`."""
        if self.first_db is None:
            self.first_db = now.psnr_db
        still_to_come = min(self._STILL_TO_COME_DB, max(self.target_db - self.first_db, 0.0) / 2)
        wanted = self.target_db - still_to_come * now.learning
        deviation = _within(now.psnr_db - wanted, (-1.0, 1.0))
        self.factor = _within(self.factor * math.exp(self._GAIN * now.elapsed * deviation), self._BOUNDS)
        self.value = self.factor * _rising(self._USUAL * 10 ** (-self.target_db / 10), now.ramp)

    def state(self) -> list[float]:
        """See :class:`RateWeight`."""
        return [self.value, self.factor, math.nan if self.first_db is None else self.first_db]

    def load(self, numbers: Sequence[float]) -> None:
        """See :class:`RateWeight`."""
        self.value, self.factor, first = numbers
        self.first_db = None if math.isnan(first) else first


def _rising(final: float, ramp: float) -> float:
    return geometric(final * 1e-3, final, ramp)


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
