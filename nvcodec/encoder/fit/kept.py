"""States of a fit, of their own memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from nvcodec.encoder.fit.pack import real_bits
from nvcodec.encoder.fit.parameters import FlatField
from nvcodec.encoder.fit.quantiser import step_codes


class Kept(NamedTuple):
    """Parameters and their steps at some moment."""

    vector: Tensor
    log2_steps: Tensor

    def real_bits(self, flat: FlatField) -> float:
        """What it costs in a file."""
        return real_bits(flat, self.vector, step_codes(self.log2_steps))


@dataclass
class Best:
    """The best hard-rounded state seen so far."""

    vector: Tensor
    log2_steps: Tensor
    error: float
    bits: float
