"""The search for the entropy model that codes a tensor in the fewest bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nvcodec.entropy.context import (
    OVERALL_ERROR,
    OVERALL_WEIGHT,
    WEIGHTS,
    Contexts,
    centred,
    difference_bits,
    errors_of,
    rounded,
)
from nvcodec.entropy.lattice import sums_everywhere
from nvcodec.entropy.models import PRIOR_TOTALS, Symbols, cost_bits
from nvcodec.entropy.params import MAX_ADAPTIVE_SIZE, CodingChoice, CodingParams, ModelId, span_codes, support
from nvcodec.entropy.tables import INVERSE_SCALES, N_SCALES, gaussian_table

_LOG_SCALES = np.log((1 << 25) / np.array(INVERSE_SCALES))
_LOG_ERRORS = np.log(OVERALL_ERROR / (OVERALL_WEIGHT * np.array(INVERSE_SCALES)))
_WORTH_TRYING = 64
"""Bits that contexts must be expected to save, and one more for every 256 symbols."""
_ENOUGH = 8192
"""Symbols, in whole channels, on which weights are tried."""
_START = 2, 1
"""Weights of neighbours that the search begins with, as indices into WEIGHTS."""


def choose(symbols: Symbols) -> CodingChoice:
    """Return the entropy model and parameters that code symbols in the fewest bits.

    Args:
        symbols: int32 of the shape of the tensor, not empty, -MAX_SYMBOL..MAX_SYMBOL.

    Returns:
        The choice, with the real cost of the symbols; the guess of the side information only decides.
    """
    low, high = int(symbols.min()), int(symbols.max())
    if low == high:
        return CodingChoice(ModelId.RAW if low else ModelId.ZERO, low, high)
    size = high - low + 1
    candidates = [CodingChoice(ModelId.RAW, low, high, bits=symbols.size * float(np.log2(size)))]
    gaussian = _best_gaussian(np.bincount(symbols.ravel() - low), low)
    candidates.append(gaussian)
    if gaussian.high - gaussian.low < MAX_ADAPTIVE_SIZE:
        for model_id in PRIOR_TOTALS:
            adaptive = replace(gaussian, model_id=model_id)
            candidates.append(replace(adaptive, bits=cost_bits(symbols, adaptive)))
            if candidates[-1].bits >= gaussian.bits:
                break  # What does not leave the Gaussian gladly gains nothing by leaving it sooner.
    if symbols.ndim == 4 and _promising(symbols):
        context = _best_context(symbols)
        candidates += [context] if context else []
    return min(candidates, key=lambda choice: choice.bits + _side_bits(choice))


def _side_bits(params: CodingParams) -> int:
    """Guess what the parameters themselves cost, so that short tensors choose well."""
    if params.model_id is ModelId.RAW:
        return _integer_bits(params.low) + _integer_bits(params.high - params.low)
    return 9 + _integer_bits(params.mean) + (5 if params.model_id is ModelId.CONTEXT else 0)


def _integer_bits(value: int) -> int:
    """Guess what an integer costs: a bit or two for the usual 0, else its bits and their number."""
    length = value.bit_length() + 1
    return length + min(length, 7) - 1


def _best_gaussian(histogram: npt.NDArray[np.int64], low: int) -> CodingChoice:
    """Search the (mean, scale) that cost the fewest bits, downhill from the empirical ones."""
    values = low + np.arange(histogram.size)
    n = histogram.sum()
    mean = float((histogram * values).sum() / n)
    deviation = float(np.sqrt((histogram * (values - mean) ** 2).sum() / n))
    start = int(np.abs(_LOG_SCALES - np.log(deviation)).argmin())

    def evaluate(mean: int, scale_index: int) -> CodingChoice:
        params = CodingParams(ModelId.GAUSSIAN, low, low + histogram.size - 1, mean, scale_index)
        below, above = span_codes(params)
        first, last = support(mean, below, above)
        bits = gaussian_table(scale_index, mean, first, last).bits[low - first : low - first + histogram.size]
        return CodingChoice(ModelId.GAUSSIAN, first, last, mean, scale_index, bits=float(histogram @ bits))

    best = min((evaluate(m, start) for m in {int(np.floor(mean)), int(np.ceil(mean))}), key=lambda c: c.bits)
    for direction in (-1, 1):
        while 0 <= best.scale_index + direction < N_SCALES:
            trial = evaluate(best.mean, best.scale_index + direction)
            if trial.bits >= best.bits:
                break
            best = trial
    return best


def _promising(symbols: Symbols) -> bool:
    """Guess whether contexts are worth trying, in a small part of the time that takes.

    Neighbours that are correlated by r save about r^2 bits a symbol, whether the symbols or their magnitudes are.
    """
    values = (symbols - symbols.mean()).astype(np.float32)
    magnitudes = np.abs(values)
    magnitudes -= magnitudes.mean()
    correlations = (_correlation(grid, axis) for axis in range(3) for grid in (values, magnitudes))
    return any(symbols.size * max(r, 0.0) ** 2 > _WORTH_TRYING + symbols.size / 256 for r in correlations)


def _correlation(values: npt.NDArray[np.float32], axis: int) -> float:
    """Correlation of neighbours along an axis, of values whose mean is 0."""
    size: int = values.shape[axis]
    if size == 1:
        return 0.0
    before, after = values.swapaxes(0, axis)[:-1], values.swapaxes(0, axis)[1:]
    products, squares = float((before * after).sum()), float((values * values).sum())
    return products / max(squares, 1e-9) * size / (size - 1)


def _best_context(symbols: Symbols) -> CodingChoice | None:
    """Return the context model that predicts a grid, int32 [T, h, w, C], best; None if its tables were too large."""
    params = CodingParams(ModelId.CONTEXT, 0, 0, mean=round(float(symbols.mean())))
    values = centred(symbols, params.mean)
    sums = sums_everywhere(values)
    few = slice(0, None, 1 + symbols.size // _ENOUGH)

    def error(temporal: int, spatial: int) -> float:
        contexts = Contexts(symbols.shape, replace(params, temporal=temporal, spatial=spatial))
        return float(errors_of(values[few], contexts.predictions(sums[0][few], sums[1][few])).mean())

    temporal, spatial = _downhill(error)
    params = replace(params, temporal=temporal, spatial=spatial)
    predictions = Contexts(symbols.shape, params).predictions(*sums)
    errors, differences = errors_of(values, predictions), values - rounded(predictions)
    scale_index = int(np.abs(_LOG_ERRORS - np.log(max(float(errors.mean()), 0.1))).argmin())
    low, high = min(int(differences.min()), 0), max(int(differences.max()), 0)
    params = replace(params, scale_index=scale_index, low=low, high=high)
    low, high = support(0, *span_codes(params))
    if low > params.low or high < params.high or high - low >= MAX_ADAPTIVE_SIZE:
        return None
    params = replace(params, low=low, high=high)
    classes = Contexts(symbols.shape, params).classes(*sums_everywhere(errors), predictions)
    return CodingChoice(**vars(params), bits=difference_bits(differences, classes, params))


def _downhill(cost: Callable[[int, int], float]) -> tuple[int, int]:
    """Search the two indices into WEIGHTS that cost least, from _START to better neighbours."""
    costs = {_START: cost(*_START)}
    best = _START
    while True:
        for temporal, spatial in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            pair = best[0] + temporal, best[1] + spatial
            if pair not in costs and all(0 <= index < len(WEIGHTS) for index in pair):
                costs[pair] = cost(*pair)
        found = min(costs, key=lambda pair: costs[pair])
        if found == best:
            return best
        best = found
