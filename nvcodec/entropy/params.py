"""Entropy models by number, and all that a decoder needs to read the symbols of a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from nvcodec.quant.tensors import MAX_SYMBOL

SPANS = (0, 1, *((2 + (code & 1)) << (code // 2 - 1) for code in range(2, 33)))
"""How far the support of a Gaussian-based model may reach to one side of its centre: 0, 1, 2, 3, 4, 6, 8, 12..."""
MAX_ADAPTIVE_SIZE = 4096
"""Largest alphabet of the models that count."""


class ModelId(IntEnum):
    """Entropy models. The numbers are written to files."""

    RAW = 0
    """All integers of a range equally likely; a range of one integer costs nothing."""
    GAUSSIAN = 1
    """Gaussian with integer mean and one of 64 standard deviations."""
    ADAPTIVE = 2
    """Starts as a coarse Gaussian and counts the symbols as they come."""
    ZERO = 3
    """Every symbol is 0; nothing is coded."""
    LEARNED = 4
    """As ADAPTIVE, but leaves its Gaussian sooner: for symbols that are no Gaussian at all."""
    CONTEXT = 5
    """Differences from what neighbours predict, in classes by how well these were predicted; for 4-D tensors."""


COUNTING = (ModelId.ADAPTIVE, ModelId.LEARNED, ModelId.CONTEXT)
"""Models whose tables follow the symbols."""
PARAMETRIC = (ModelId.GAUSSIAN, *COUNTING)
"""Models that start from a Gaussian."""


@dataclass(frozen=True)
class CodingParams:
    """All that a decoder needs to read the symbols of a tensor."""

    model_id: ModelId
    low: int
    """Smallest number that is coded: a symbol or, in CONTEXT, a difference."""
    high: int
    """Largest number that is coded, at most 2^16 - 1 above ``low``."""
    mean: int = 0
    """Mean of the symbols (PARAMETRIC)."""
    scale_index: int = 0
    """Standard deviation of what is coded, an index into INVERSE_SCALES (PARAMETRIC)."""
    temporal: int = 0
    """How far neighbours along the first axis are believed, an index into WEIGHTS (CONTEXT)."""
    spatial: int = 0
    """How far neighbours along the second and third axes are believed, an index into WEIGHTS (CONTEXT)."""

    @property
    def centre(self) -> int:
        """Where the support of a PARAMETRIC model is anchored."""
        return 0 if self.model_id is ModelId.CONTEXT else self.mean


@dataclass(frozen=True)
class CodingChoice(CodingParams):
    """Coding parameters and what the symbols cost with them."""

    bits: float = 0.0
    """Bits of the symbols; side information is not included."""


def support(centre: int, below: int, above: int) -> tuple[int, int]:
    """Return the (low, high) of a PARAMETRIC model from its centre and two indices into SPANS."""
    return max(centre - SPANS[below], -MAX_SYMBOL), min(centre + SPANS[above], MAX_SYMBOL)


def span_codes(params: CodingParams) -> tuple[int, int]:
    """Return the two smallest indices into SPANS that cover the support of a PARAMETRIC model."""
    return _span_code(params.centre - params.low), _span_code(params.high - params.centre)


def _span_code(distance: int) -> int:
    return int(np.searchsorted(SPANS, distance))
