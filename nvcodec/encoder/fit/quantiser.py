"""Quantisation and its rate as the fit sees them: differentiable, on the flat parameter vector."""

from __future__ import annotations

import torch
from torch import Tensor

from nvcodec.config.fit import Rounding
from nvcodec.encoder.fit.parameters import CODES_PER_OCTAVE, MAX_OFFSET, FlatField
from nvcodec.quant.tensors import MIN_STEP_CODE


class Quantiser:
    """Learned steps for every tensor, channel or crossing of two channels, and the rate they cost.

    Steps are learned as logarithms to base 2 and rounded to the codes of the file (eighths of an octave) wherever
    values are rounded, so that the fit sees exactly the numbers the decoder will have.
    """

    def __init__(self, flat: FlatField, first_step_log2: float) -> None:
        self.flat = flat
        device = flat.vector.device
        self.log2_steps = torch.where(flat.is_offset, 0.0, first_step_log2).requires_grad_()
        self._finest = torch.where(flat.is_offset, -MAX_OFFSET, MIN_STEP_CODE + MAX_OFFSET) / CODES_PER_OCTAVE
        self._none = torch.zeros(1, device=device)
        self._sizes = torch.tensor(flat.sizes, dtype=torch.float32, device=device)

    def steps(self, coded: bool) -> Tensor:
        """Step of every parameter, float32 [P]; ``coded`` rounds to the codes of the file."""
        log2 = self.log2_steps
        if coded:
            rounded = torch.round(log2.detach() * CODES_PER_OCTAVE) / CODES_PER_OCTAVE
            log2 = log2 + (rounded - log2.detach())
        offsets = self.flat.by_offset.spread(torch.cat([log2, self._none]))
        return torch.exp2(self.flat.by_step.spread(log2) + offsets)

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
        tensors = self.flat.by_tensor
        symbols = vector / self.steps(coded=False)
        mean = tensors.sums(symbols) / self._sizes
        square = tensors.sums(symbols * symbols) / self._sizes
        # a floor on the variance keeps the gradient finite where a whole tensor rounds to zero
        inverse = tensors.spread(torch.rsqrt(2 * ((square - mean * mean).clamp_min(1e-4) + 0.02)))
        offset = symbols - tensors.spread(mean)
        mass = 0.5 * (torch.erf((offset + 0.5) * inverse) - torch.erf((offset - 0.5) * inverse))
        return -torch.log2(mass.clamp_min(1e-7)).sum()

    @torch.no_grad()
    def fix(self, vector: Tensor, bits: int) -> None:
        """Give every row steps of which 2^bits - 1 span it, and learn them no more; only the first call counts."""
        if not self.log2_steps.requires_grad:
            return
        self.log2_steps.requires_grad_(False)
        largest = self.flat.by_step.reduced(vector.detach().abs(), "max")  # of a code without elements: -infinity
        steps = torch.log2(2 * largest.clamp_min(2.0**-16) / (2**bits - 1))
        self.log2_steps.copy_(torch.where(self.flat.is_offset, 0.0, steps))
        self.clamp()

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep the steps inside the range the file can express, with offsets to spare."""
        self.log2_steps.clamp_(self._finest, self.flat.coarsest / CODES_PER_OCTAVE)

    def codes(self) -> Tensor:
        """Step codes as the file stores them, int64 [steps]."""
        return step_codes(self.log2_steps)

    @torch.no_grad()
    def set_codes(self, codes: Tensor) -> None:
        """Take the steps that step codes, int [steps], stand for."""
        self.log2_steps.copy_(codes / CODES_PER_OCTAVE)


def step_codes(log2_steps: Tensor) -> Tensor:
    """The file's codes, int64, nearest to steps given as logarithms to base 2."""
    return torch.round(log2_steps.detach() * CODES_PER_OCTAVE).long()


def shifted(flat: FlatField, codes: Tensor, shift: int) -> Tensor:
    """Step codes, int64 [steps], with all steps of the field coarser by ``shift`` eighths of an octave."""
    moved = torch.minimum((codes + shift).clamp(min=MIN_STEP_CODE + MAX_OFFSET), flat.coarsest)
    return torch.where(flat.is_offset, codes, moved)
