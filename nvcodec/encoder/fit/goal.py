"""What a fit is to end at, a size or a quality: the weight of the rate meanwhile, and the integers at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nvcodec.encoder.fit.pack import Search
from nvcodec.encoder.fit.rate import ConstantWeight, QualityWeight, RateWeight, TargetWeight
from nvcodec.encoder.plan.presets import weight_for_crf
from nvcodec.quant.tensors import IntegerTensor

if TYPE_CHECKING:
    from nvcodec.encoder.fit.fit import Fit

_AIM = 0.995
"""Share of the room that the feedback aims at; the search over steps takes up the rest."""
_AIM_ABOVE_DB = 0.1
"""Decibels above the target that the feedback aims at; the search over steps gives them back."""


@dataclass(frozen=True)
class Goal:
    """A size in bytes, a quality in decibels, or a constant price of the rate: the first that is given."""

    room: int | None
    """Largest payload in bytes."""
    psnr_db: float | None
    """Least PSNR in the sense of the coding domain, mean over frames."""
    crf: float
    zeros_show: bool = False
    """Whether a network of zeros draws pictures, as between key frames."""

    def weight(self) -> RateWeight:
        """The weight of the rate while the fit runs."""
        if self.room is not None:
            return TargetWeight(8 * self.room * _AIM)
        if self.psnr_db is not None:
            return QualityWeight(self.psnr_db + _AIM_ABOVE_DB)
        return ConstantWeight(weight_for_crf(self.crf))

    def land(self, fit: Fit, psnr_db: Callable[[list[IntegerTensor]], float] | None = None) -> list[IntegerTensor]:
        """The integers of a finished fit.

        Args:
            fit: The fit.
            psnr_db: Quality of a file with some integers; None = what the fit's own pictures are worth.
        """
        best = fit.best
        assert best is not None
        search = Search(fit.flat, best.vector, best.log2_steps)
        if fit.config.fixed_bits:
            return search.candidate(0, 0.0)
        if self.room is not None:
            return search.largest(self.room, self.zeros_show)
        if self.psnr_db is not None:
            least, measured = self.psnr_db, psnr_db or (lambda t: fit.painter.psnr_db(fit.flat.vector_of(t), fit.clip))
            return search.smallest(lambda tensors: measured(tensors) >= least)
        return search.candidate(0, 0.0)
