"""Planes of the source that never change: the head's bias draws them exactly, and the fit leaves them alone.

A picture of one colour is three of them, and a grey video stored in colour is two. What a fit makes of such a plane is
never quite flat, and costs more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from nvcodec.encoder.fit.parameters import CODES_PER_OCTAVE, FlatField

_STEP = 0.7
"""Coarsest step of a bias that a plane depends on, in code values: rounding, even where it leans towards zero by what
the search for a size allows, stays below half of a code value."""


class FlatPlanes:
    """The planes that biases draw, and their places in the parameter vector; where that is all planes, the rest is 0.

    Args:
        flat: The field. Its vector, and how coarse its steps may become, are set.
        levels: What is to be drawn in each plane, units of the largest code value; None where it changes.
        peak: The largest code value.
    """

    def __init__(self, flat: FlatField, levels: Sequence[float | None], peak: int) -> None:
        self.flat = flat
        wanted = [(plane, level) for plane, level in enumerate(levels) if level is not None]
        drawn = [found for plane, level in wanted if (found := flat.field.flat_plane(plane, level)) is not None]
        self.are_all = len(drawn) == len(levels)
        """Whether there is nothing to fit."""
        self.held = torch.full_like(flat.vector, self.are_all, dtype=torch.bool, requires_grad=False)
        """Which parameters the fit leaves alone, bool [P]."""
        self._are_some = self.are_all or bool(drawn)
        with torch.no_grad():
            flat.vector[self.held] = 0
            places = flat.split(torch.arange(flat.vector.numel()))
            for weight, bias, rows, value in drawn:
                for name, content in ((weight, 0.0), (bias, value)):
                    flat.vector[places[name][rows].to(flat.vector.device)] = content
                    self.held[places[name][rows].to(flat.vector.device)] = True
                if value:
                    codes = flat.step_of[places[bias]].to(flat.vector.device)
                    flat.coarsest[codes] = math.floor(CODES_PER_OCTAVE * math.log2(_STEP / peak))

    def hold(self) -> None:
        """Forget the gradient of what is left alone: without one, it stays where it is."""
        if self._are_some and self.flat.vector.grad is not None:
            self.flat.vector.grad.masked_fill_(self.held, 0)
