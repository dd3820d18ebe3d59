"""Quantisation and rate as the fit sees them: differentiable, on the flat parameter vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from nvcodec.encoder.config import Rounding
from nvcodec.encoder.parameters import FlatField
from nvcodec.encoder.schedule import geometric
from nvcodec.quant.tensors import MAX_STEP_CODE, MIN_STEP_CODE

_CODES_PER_OCTAVE = 8
MAX_OFFSET = 24
"""Largest offset of a step code that a fit uses: three octaves."""


class Quantiser:
    """Learned steps for every tensor, channel or crossing of two channels, and the rate they cost.

    Steps are learned as logarithms to base 2 and rounded to the codes of the file (eighths of an octave) wherever
    values are rounded, so that the fit sees exactly the numbers the decoder will have.
    """

    def __init__(self, flat: FlatField, first_step_log2: float) -> None:
        self.flat = flat
        device = flat.vector.device
        self.log2_steps = torch.where(flat.is_offset, 0.0, first_step_log2).requires_grad_()
        self._none = torch.zeros(1, device=device)
        self._sizes = torch.tensor(flat.sizes, dtype=torch.float32, device=device)

    def steps(self, coded: bool) -> Tensor:
        """Step of every parameter, float32 [P]; ``coded`` rounds to the codes of the file."""
        log2 = self.log2_steps
        if coded:
            rounded = torch.round(log2.detach() * _CODES_PER_OCTAVE) / _CODES_PER_OCTAVE
            log2 = log2 + (rounded - log2.detach())
        return torch.exp2(log2[self.flat.step_of] + torch.cat([log2, self._none])[self.flat.offset_of])

    def apply(self, vector: Tensor, rounding: Rounding) -> Tensor:
        """The parameters float32 [P] as floats, or rounded as the decoder will see them."""
        if rounding is Rounding.NONE:
            return vector
        steps = self.steps(coded=True)
        scaled = vector / steps
        return (scaled + (torch.round(scaled) - scaled).detach()) * steps

    def bits(self, vector: Tensor) -> Tensor:
        """Estimated size of all tensors, a scalar in bits.

        One Gaussian per tensor, its mean and variance those of the tensor itself, integrated over each symbol's
        interval. Real files use the better of this and an adaptive model; the controller learns the ratio.
        """
        owner = self.flat.tensor_of
        symbols = vector / self.steps(coded=False)
        zeros = torch.zeros_like(self._sizes)
        mean = zeros.index_add(0, owner, symbols) / self._sizes
        square = zeros.index_add(0, owner, symbols * symbols) / self._sizes
        # a floor on the variance keeps the gradient finite where a whole tensor rounds to zero
        inverse = torch.rsqrt(2 * ((square - mean * mean).clamp_min(1e-4) + 0.02))[owner]
        offset = symbols - mean[owner]
        mass = 0.5 * (torch.erf((offset + 0.5) * inverse) - torch.erf((offset - 0.5) * inverse))
        return -torch.log2(mass.clamp_min(1e-7)).sum()

    @torch.no_grad()
    def fix(self, vector: Tensor, bits: int) -> None:
        """Give every row steps of which 2^bits - 1 span it, and learn them no more; only the first call counts."""
        if not self.log2_steps.requires_grad:
            return
        self.log2_steps.requires_grad_(False)
        largest = torch.zeros_like(self.log2_steps).scatter_reduce(0, self.flat.step_of, vector.abs(), "amax")
        steps = torch.log2(2 * largest.clamp_min(2.0**-16) / (2**bits - 1))
        self.log2_steps.copy_(torch.where(self.flat.is_offset, 0.0, steps))
        self.clamp()

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep the steps inside the range the file can express, with offsets to spare."""
        low = torch.where(self.flat.is_offset, -MAX_OFFSET, MIN_STEP_CODE + MAX_OFFSET)
        high = torch.where(self.flat.is_offset, MAX_OFFSET, MAX_STEP_CODE - MAX_OFFSET)
        self.log2_steps.clamp_(low / _CODES_PER_OCTAVE, high / _CODES_PER_OCTAVE)

    def codes(self) -> Tensor:
        """Step codes as the file stores them, int64 [steps]."""
        return step_codes(self.log2_steps)


def step_codes(log2_steps: Tensor) -> Tensor:
    """The file's codes, int64, nearest to steps given as logarithms to base 2."""
    return torch.round(log2_steps.detach() * _CODES_PER_OCTAVE).long()


def shifted(flat: FlatField, codes: Tensor, shift: int) -> Tensor:
    """Step codes, int64 [steps], with all steps of the field coarser by ``shift`` eighths of an octave."""
    moved = (codes + shift).clamp(MIN_STEP_CODE + MAX_OFFSET, MAX_STEP_CODE - MAX_OFFSET)
    return torch.where(flat.is_offset, codes, moved)


class RateWeight(Protocol):
    """Lagrange multiplier of the rate, in units of distortion per bit per pixel."""

    value: float

    def update(self, estimated_bits: float, ramp: float, elapsed: float) -> None:
        """Adapt to the rate measured now.

        Args:
            estimated_bits: The rate.
            ramp: How far it should have come down, 0..1.
            elapsed: Share of the schedule since the last update.
        """

    def calibrate(self, real_bits: float, estimated_bits: float) -> None:
        """Learn how real bits differ from estimated ones."""

    def state(self) -> list[float]:
        """Everything learned, as numbers."""

    def load(self, numbers: Sequence[float]) -> None:
        """Continue from :meth:`state`."""


class ConstantWeight:
    """Constant quality: the multiplier rises along the ramp to its final value and stays there."""

    def __init__(self, final: float) -> None:
        self.final = final
        self.value = 0.0

    def update(self, estimated_bits: float, ramp: float, elapsed: float) -> None:
        """See :class:`RateWeight`."""
        self.value = geometric(self.final * 1e-3, self.final, ramp)

    def calibrate(self, real_bits: float, estimated_bits: float) -> None:
        """Nothing to learn: the rate is whatever the quality costs."""

    def state(self) -> list[float]:
        """See :class:`RateWeight`."""
        return []

    def load(self, numbers: Sequence[float]) -> None:
        """See :class:`RateWeight`."""


class TargetWeight:
    """Feedback: the multiplier moves until the rate follows its way down to the target.

    The wanted rate falls geometrically from where it was when the ramp began to the target; the multiplier is
    integrated from the logarithm of the deviation, bounded so that it cannot run away. All in units of the schedule, so
    that short and long fits are steered alike.
    """

    _GAIN = 60.0
    _STEEPNESS = 5.0
    _BOUNDS = 1e-9, 1.0

    def __init__(self, target_bits: float) -> None:
        self.target_bits = target_bits
        self.first_bits: float | None = None
        self.ratio = 1.0
        """Real bits per estimated bit."""
        self.value = 1e-5

    def update(self, estimated_bits: float, ramp: float, elapsed: float) -> None:
        """See :class:`RateWeight`."""
        bits = estimated_bits * self.ratio
        if self.first_bits is None:
            self.first_bits = max(bits, self.target_bits)
        wanted = geometric(self.first_bits, self.target_bits, ramp)
        deviation = math.log(max(bits, 1.0) / wanted) * self._STEEPNESS
        change = math.exp(self._GAIN * elapsed * max(-1.0, min(1.0, deviation)))
        self.value = min(max(self.value * change, self._BOUNDS[0]), self._BOUNDS[1])

    def calibrate(self, real_bits: float, estimated_bits: float) -> None:
        """See :class:`RateWeight`."""
        self.ratio = real_bits / max(estimated_bits, 1.0)

    def state(self) -> list[float]:
        """See :class:`RateWeight`."""
        return [self.value, self.ratio, math.nan if self.first_bits is None else self.first_bits]

    def load(self, numbers: Sequence[float]) -> None:
        """See :class:`RateWeight`."""
        self.value, self.ratio, first = numbers
        self.first_bits = None if math.isnan(first) else first
