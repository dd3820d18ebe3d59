"""Bjontegaard deltas: what separates two rate-distortion curves, in one number.

Both curves are interpolated by PCHIP (monotone cubic Hermite, no overshoot between points) over the logarithm of the
rate, and averaged over the range they share. **Source**: Bjontegaard, VCEG-M33 (2001), with the interpolation of the
JVET common test conditions; we refuse what those formulas would turn into a meaningless number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nvcodec.errors import InputError, UsageError
from nvcodec.version import install

MIN_OVERLAP = 0.75
"""Below this share of common range a delta says little about the curves as a whole."""
ENOUGH_POINTS = 4
"""Bjontegaard's own count; curves with fewer are compared, but their shape is mostly guessed."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Delta:
    """How far one curve lies from its anchor, on average."""

    value: float
    """Percent of rate at equal quality, or quality at equal rate, as the function that made it says."""
    overlap: float
    """Common range by the range of both together, 0..1."""
    points: int
    """Points of the shorter curve."""


def check_installed() -> None:
    """Find out before a long run whether deltas can be had.

    Raises:
        UsageError: SciPy is not installed.
    """
    _pchip()


def bd_rate(
    anchor_rate: Sequence[float], anchor_quality: Sequence[float], rate: Sequence[float], quality: Sequence[float]
) -> Delta:
    """Mean difference in rate at equal quality, in percent; negative = fewer bits than the anchor.

    Args:
        anchor_rate: Rates of the anchor, above 0, in any unit and order.
        anchor_quality: Its qualities, on a scale where more is better, usually dB.
        rate: Rates of the curve to judge, in the same unit.
        quality: Its qualities.

    Raises:
        InputError: A curve has fewer than 2 points or does not rise, or the two share no range of quality.
        UsageError: SciPy is not installed.
    """
    anchor, curve = _curve("the anchor", anchor_rate, anchor_quality), _curve("the curve", rate, quality)
    mean, overlap = _mean_gap(anchor[::-1], curve[::-1], "quality")
    return Delta((10**mean - 1) * 100, overlap, min(len(anchor_rate), len(rate)))


def bd_psnr(
    anchor_rate: Sequence[float], anchor_quality: Sequence[float], rate: Sequence[float], quality: Sequence[float]
) -> Delta:
    """Mean difference in quality at equal rate, in the unit of the quality; positive = better than the anchor.

    Arguments and errors as :func:`bd_rate`, but it is a range of rate that must be shared.
    """
    anchor, curve = _curve("the anchor", anchor_rate, anchor_quality), _curve("the curve", rate, quality)
    mean, overlap = _mean_gap(anchor, curve, "rate")
    return Delta(mean, overlap, min(len(anchor_rate), len(rate)))


def _curve(who: str, rates: Sequence[float], qualities: Sequence[float]) -> tuple[_Floats, _Floats]:
    """Logarithms of the rates, and qualities, both rising."""
    points = sorted(zip(rates, qualities, strict=True))
    if len(points) < 2:
        raise InputError(f"{who} has {len(points)} of the 2 points that make a curve", "Measure at least 4 points")
    for rate, quality in points:
        if not (0 < rate < math.inf and math.isfinite(quality)):
            raise InputError(f"{who} has a point that is none: {quality:g} at rate {rate:g}")
    for (rate, quality), (next_rate, next_quality) in pairwise(points):
        if math.log10(rate) == math.log10(next_rate) or quality >= next_quality:
            raise InputError(
                f"{who} does not rise from {quality:.6g} at rate {rate:.6g} to {next_quality:.6g} at rate "
                f"{next_rate:.6g}",
                "Leave one of the two points out, or measure them again",
            )
    rising = np.array(points, np.float64)
    return np.log10(rising[:, 0]), rising[:, 1]


def _mean_gap(anchor: tuple[_Floats, ...], curve: tuple[_Floats, ...], axis: str) -> tuple[float, float]:
    """Mean of curve minus anchor over the range of x that both (x, y) have, and how much of both ranges that is."""
    low, high = max(anchor[0][0], curve[0][0]), min(anchor[0][-1], curve[0][-1])
    if low >= high:
        ranges = [
            f"{10 ** x[0]:.6g} to {10 ** x[-1]:.6g}" if axis == "rate" else f"{x[0]:.6g} to {x[-1]:.6g}"
            for x, _ in (anchor, curve)
        ]
        raise InputError(
            f"the two share no range of {axis}: the anchor has {ranges[0]}, the curve {ranges[1]}",
            "Measure points that bring them together",
        )
    interpolator = _pchip()
    areas = [float(interpolator(x, y).integrate(low, high)) for x, y in (anchor, curve)]
    both = max(anchor[0][-1], curve[0][-1]) - min(anchor[0][0], curve[0][0])
    return (areas[1] - areas[0]) / float(high - low), float((high - low) / both)


def _pchip() -> Any:
    try:
        from scipy.interpolate import PchipInterpolator
    except ImportError:
        raise UsageError("BD-rate needs the package scipy, which is not installed", install("bench")) from None
    return PchipInterpolator
