"""Entropy models: which frequency table each symbol is coded with, and the search for the cheapest model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from nvcodec.entropy.coder import FrequencyTable, RangeReader, SymbolSink, symbol_bits
from nvcodec.entropy.tables import INVERSE_SCALES, N_SCALES, gaussian_table
from nvcodec.quant.tensors import MAX_SYMBOL

SPANS = (0, 1, *((2 + (code & 1)) << (code // 2 - 1) for code in range(2, 33)))
"""How far the support of a Gaussian-based model may reach to one side of its mean: 0, 1, 2, 3, 4, 6, 8, 12..."""
MAX_ADAPTIVE_SIZE = 4096
"""Largest alphabet of the ADAPTIVE and LEARNED models."""

MAX_BLOCK = 512
"""Most symbols that are coded with the same counts."""
INCREMENT = 16
"""What one symbol adds to its count."""
MAX_ADAPTIVE_TOTAL = 1 << 21
"""Counts are halved when they add up to more: about the last 100,000 symbols decide."""
_BLOCKS_AT_ONCE = 100
_LOG_SCALES = np.log((1 << 25) / np.array(INVERSE_SCALES))

Symbols = npt.NDArray[np.int32]


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


PRIOR_TOTALS = {ModelId.ADAPTIVE: 1 << 12, ModelId.LEARNED: 1 << 9}
"""Weight of the Gaussian that adaptive models start from: as if 256 or 32 symbols had been seen."""


@dataclass(frozen=True)
class CodingParams:
    """All that a decoder needs to read the symbols of a tensor."""

    model_id: ModelId
    low: int
    """Smallest symbol of the support."""
    high: int
    """Largest symbol of the support, at most 2^16 - 1 above ``low``."""
    mean: int = 0
    """Mean of the Gaussian (GAUSSIAN, ADAPTIVE, LEARNED)."""
    scale_index: int = 0
    """Standard deviation of the Gaussian, an index into INVERSE_SCALES (GAUSSIAN, ADAPTIVE, LEARNED)."""


@dataclass(frozen=True)
class CodingChoice(CodingParams):
    """Coding parameters and what the symbols cost with them."""

    bits: float = 0.0
    """Bits of the symbols; side information is not included."""


def write_symbols(sink: SymbolSink, symbols: Symbols, params: CodingParams) -> None:
    """Write symbols with a model.

    Args:
        sink: Coder or counter.
        symbols: int32 [n], each in ``params.low``..``params.high``.
        params: Model and its parameters.
    """
    if params.model_id in PRIOR_TOTALS:
        write_adaptive(sink, symbols, _initial_table(params))
    else:
        sink.write(symbols, _static_table(params))


def read_symbols(reader: RangeReader, n: int, params: CodingParams) -> Symbols:
    """Read back what ``write_symbols`` wrote.

    Args:
        reader: Source of symbols.
        n: How many.
        params: The model and parameters they were written with.

    Returns:
        int32 [n], each in ``params.low``..``params.high``.

    Raises:
        BitstreamError: The data is damaged.
    """
    if params.model_id in PRIOR_TOTALS:
        return read_adaptive(reader, n, _initial_table(params))
    return reader.read(n, _static_table(params))


def write_adaptive(sink: SymbolSink, symbols: Symbols, table: FrequencyTable) -> None:
    """Write symbols, int32 [n], with counts that start from ``table`` and follow the symbols block by block."""
    for start, stop in _blocks(symbols.size):
        sink.write(symbols[start:stop], table)
        table = _adapted(table, symbols[start:stop])


def read_adaptive(reader: RangeReader, n: int, table: FrequencyTable) -> Symbols:
    """Read back what ``write_adaptive`` wrote with the same table, int32 [n]."""
    symbols = np.empty(n, dtype=np.int32)
    for start, stop in _blocks(n):
        symbols[start:stop] = reader.read(stop - start, table)
        table = _adapted(table, symbols[start:stop])
    return symbols


def prior_table(params: CodingParams, total: int) -> FrequencyTable:
    """Return the counts an adaptive model starts from: a Gaussian that weighs ``total``, and one for every symbol."""
    gaussian = gaussian_table(params.scale_index, params.mean, params.low, params.high)
    return FrequencyTable(params.low, 1 + (gaussian.counts * total >> 20))


def cost_bits(symbols: Symbols, params: CodingParams) -> float:
    """Return the bits that ``write_symbols`` spends on symbols, int32 [n]; no coder runs."""
    if params.model_id in PRIOR_TOTALS:
        return _adaptive_bits(symbols, _initial_table(params))
    return float(_static_table(params).bits[symbols - params.low].sum())


def support(mean: int, below: int, above: int) -> tuple[int, int]:
    """Return the (low, high) of a Gaussian-based model from its mean and two indices into SPANS."""
    return max(mean - SPANS[below], -MAX_SYMBOL), min(mean + SPANS[above], MAX_SYMBOL)


def span_codes(params: CodingParams) -> tuple[int, int]:
    """Return the two smallest indices into SPANS that cover the support of a Gaussian-based model."""
    return _span_code(params.mean - params.low), _span_code(params.high - params.mean)


def choose(symbols: Symbols) -> CodingChoice:
    """Return the entropy model and parameters that code symbols in the fewest bits.

    Args:
        symbols: int32 [n], n >= 1, -MAX_SYMBOL..MAX_SYMBOL.

    Returns:
        The choice, with the real cost of the symbols; the guess of the side information only decides.
    """
    low, high = int(symbols.min()), int(symbols.max())
    if low == high:
        return CodingChoice(ModelId.RAW if low else ModelId.ZERO, low, high)
    size = high - low + 1
    candidates = [CodingChoice(ModelId.RAW, low, high, bits=symbols.size * float(np.log2(size)))]
    gaussian = _best_gaussian(np.bincount(symbols - low), low)
    candidates.append(gaussian)
    if gaussian.high - gaussian.low < MAX_ADAPTIVE_SIZE:
        for model_id in PRIOR_TOTALS:
            adaptive = replace(gaussian, model_id=model_id)
            candidates.append(replace(adaptive, bits=cost_bits(symbols, adaptive)))
            if candidates[-1].bits >= gaussian.bits:
                break  # What does not leave the Gaussian gladly gains nothing by leaving it sooner.
    return min(candidates, key=lambda choice: choice.bits + _side_bits(choice))


def _adapted(table: FrequencyTable, block: Symbols) -> FrequencyTable:
    """Return the table after a block of symbols."""
    counts = table.counts + INCREMENT * np.bincount(block - table.low, minlength=table.counts.size)
    return FrequencyTable(table.low, _bounded(counts))


def _bounded(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Halve counts that add up to too much."""
    return counts if counts.sum() <= MAX_ADAPTIVE_TOTAL else (counts + 1) >> 1


def _adaptive_bits(symbols: Symbols, table: FrequencyTable) -> float:
    """Return the bits that ``write_adaptive`` spends, many blocks at once."""
    ends = np.array([stop for _, stop in _blocks(symbols.size)])
    counts, size = table.counts, table.counts.size
    bits, start, first = 0.0, 0, 0
    while first < ends.size:
        # Up to the block after which counts are halved, and no more than memory is happy with.
        room = (MAX_ADAPTIVE_TOTAL - counts.sum()) // INCREMENT
        last = min(int(np.searchsorted(ends, start + room, side="right")), first + _BLOCKS_AT_ONCE, ends.size - 1)
        group = ends[first : last + 1]
        blocks = np.repeat(np.arange(group.size), np.diff(group, prepend=start))
        cells = blocks * size + (symbols[start : group[-1]] - table.low)
        histograms = np.bincount(cells, minlength=group.size * size).reshape(group.size, size)
        states = np.concatenate([counts[None], INCREMENT * histograms]).cumsum(axis=0)
        bits += float((histograms * symbol_bits(states[:-1])).sum())
        counts = _bounded(states[-1])
        start, first = int(group[-1]), last + 1
    return bits


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of the blocks that adaptive counts are kept for: 1, 1, 2, 4, ... MAX_BLOCK, MAX_BLOCK..."""
    start = 0
    while start < n:
        stop = min(start + min(max(start, 1), MAX_BLOCK), n)
        yield start, stop
        start = stop


def _initial_table(params: CodingParams) -> FrequencyTable:
    return prior_table(params, PRIOR_TOTALS[params.model_id])


def _static_table(params: CodingParams) -> FrequencyTable:
    if params.model_id is ModelId.GAUSSIAN:
        return gaussian_table(params.scale_index, params.mean, params.low, params.high)
    return FrequencyTable.uniform(params.low, params.high)


def _side_bits(params: CodingParams) -> int:
    """Guess what the parameters themselves cost, so that short tensors choose well."""
    if params.model_id is ModelId.RAW:
        return _integer_bits(params.low) + _integer_bits(params.high - params.low)
    return 9 + _integer_bits(params.mean)


def _integer_bits(value: int) -> int:
    """Guess what an integer costs: a bit or two for the usual 0, else its bits and their number."""
    length = value.bit_length() + 1
    return length + min(length, 7) - 1


def _span_code(distance: int) -> int:
    return int(np.searchsorted(SPANS, distance))


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
        return CodingChoice(ModelId.GAUSSIAN, first, last, mean, scale_index, float(histogram @ bits))

    best = min((evaluate(m, start) for m in {int(np.floor(mean)), int(np.ceil(mean))}), key=lambda c: c.bits)
    for direction in (-1, 1):
        while 0 <= best.scale_index + direction < N_SCALES:
            trial = evaluate(best.mean, best.scale_index + direction)
            if trial.bits >= best.bits:
                break
            best = trial
    return best
