"""Tables that count the symbols they code: sequences of symbols whose table starts from a Gaussian and follows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from nvcodec.entropy.coder import FrequencyTable, RangeReader, SymbolSink, symbol_bits
from nvcodec.entropy.params import CodingParams
from nvcodec.entropy.tables import gaussian_table

MAX_BLOCK = 512
"""Most symbols of a sequence that are coded with the same counts."""
INCREMENT = 16
"""What one symbol adds to its count."""
MAX_ADAPTIVE_TOTAL = 1 << 21
"""Counts are halved when they add up to more: about the last 100,000 symbols decide."""
_BLOCKS_AT_ONCE = 100
_CELLS_AT_ONCE = 1 << 18

Symbols = npt.NDArray[np.int32]


def prior_table(params: CodingParams, total: int) -> FrequencyTable:
    """Return the counts an adaptive model starts from: a Gaussian that weighs ``total``, and one for every symbol."""
    return weighed(gaussian_table(params.scale_index, params.mean, params.low, params.high), total)


def weighed(gaussian: FrequencyTable, total: int) -> FrequencyTable:
    """Return the table of the same symbols whose counts add up to about ``total``, each at least 1."""
    return FrequencyTable(gaussian.low, 1 + (gaussian.counts * total >> 20))


def write_adaptive(sink: SymbolSink, symbols: Symbols, table: FrequencyTable) -> None:
    """Write symbols, int32 [n], with counts that start from ``table`` and follow the symbols block by block."""
    for start, stop in _blocks(symbols.size):
        sink.write(symbols[start:stop], table)
        table = followed(table, symbols[start:stop])


def read_adaptive(reader: RangeReader, n: int, table: FrequencyTable) -> Symbols:
    """Read back what ``write_adaptive`` wrote with the same table, int32 [n]."""
    symbols = np.empty(n, dtype=np.int32)
    for start, stop in _blocks(n):
        symbols[start:stop] = reader.read(stop - start, table)
        table = followed(table, symbols[start:stop])
    return symbols


def adaptive_bits(symbols: Symbols, table: FrequencyTable) -> float:
    """Return the bits that ``write_adaptive`` spends."""
    sizes = [stop - start for start, stop in _blocks(symbols.size)]
    return block_bits(symbols, np.repeat(np.arange(len(sizes)), sizes), table)


def block_bits(symbols: Symbols, blocks: npt.NDArray[np.integer], table: FrequencyTable) -> float:
    """Return the bits of symbols whose table follows them after every block.

    Args:
        symbols: int32 [n], n >= 1, each in the range of the table.
        blocks: Number of the block of every symbol, [n], ascending.
        table: Table of the first block.
    """
    counts, size, bits, start = table.counts, table.counts.size, 0.0, 0
    while start < symbols.size:
        # Up to the block after which counts are halved, and no more than memory is happy with.
        room = (MAX_ADAPTIVE_TOTAL - int(counts.sum())) // INCREMENT
        first, last = int(blocks[start]), int(blocks[min(start + room, symbols.size - 1)])
        n_blocks = min(last - first + 1, _BLOCKS_AT_ONCE)
        stop = int(np.searchsorted(blocks, first + n_blocks))
        cells = (blocks[start:stop] - first) * size + (symbols[start:stop] - table.low)
        histograms = np.bincount(cells, minlength=n_blocks * size).reshape(n_blocks, size)
        states = counts + INCREMENT * (histograms.cumsum(axis=0) - histograms)
        bits += _coded_bits(states, histograms)
        counts = bounded(states[-1] + INCREMENT * histograms[-1])
        start = stop
    return bits


def interleaved_bits(
    symbols: Symbols, sequences: npt.NDArray[np.int64], blocks: npt.NDArray[np.int64], tables: Sequence[FrequencyTable]
) -> float:
    """Return the bits of several sequences of symbols, each of which has a table that follows it after every block.

    Args:
        symbols: int32 [n], n >= 1, each in the range of the tables.
        sequences: To which sequence each symbol belongs, 0..len(tables) - 1, each at least once.
        blocks: Number of the block of every symbol.
        tables: Table of the first block of every sequence, all of the same range.
    """
    sizes = np.bincount(sequences)
    shape = len(tables), int(blocks.max()) + 1, tables[0].counts.size
    halved = max(table.total for table in tables) + INCREMENT * int(sizes.max()) > MAX_ADAPTIVE_TOTAL
    if halved or prod(shape) > _CELLS_AT_ONCE:
        order = np.argsort(sequences * shape[1] + blocks, kind="stable")
        parts = zip(np.split(order, np.cumsum(sizes)[:-1]), tables, strict=True)
        return sum(block_bits(symbols[part], blocks[part], table) for part, table in parts)
    cells = (sequences * shape[1] + blocks) * shape[2] + (symbols - tables[0].low)
    histograms = np.bincount(cells, minlength=prod(shape)).reshape(shape)
    first = np.stack([table.counts for table in tables])[:, None]
    return _coded_bits(first + INCREMENT * (histograms.cumsum(axis=1) - histograms), histograms)


def _coded_bits(counts: npt.NDArray[np.int64], histograms: npt.NDArray[np.int64]) -> float:
    """Bits of symbols, as histograms [..., K], with as many tables, counts [..., K]."""
    coded = np.flatnonzero(histograms)
    return float((histograms.ravel()[coded] * symbol_bits(counts, coded)).sum())


def followed(table: FrequencyTable, symbols: Symbols) -> FrequencyTable:
    """Return the table after symbols, int32 [n], that it coded."""
    counts = table.counts + INCREMENT * np.bincount(symbols - table.low, minlength=table.counts.size)
    return FrequencyTable(table.low, bounded(counts))


def bounded(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Halve counts, int64 [K], as long as they add up to too much."""
    while counts.sum() > MAX_ADAPTIVE_TOTAL:
        counts = (counts + 1) >> 1
    return counts


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of the blocks that counts are kept for: 1, 1, 2, 4, ... MAX_BLOCK, MAX_BLOCK..."""
    start = 0
    while start < n:
        stop = min(start + min(max(start, 1), MAX_BLOCK), n)
        yield start, stop
        start = stop
