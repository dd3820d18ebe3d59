"""Range coder: symbols and integer frequency tables on one side, bytes on the other. All of constriction is here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import Protocol

import constriction
import numpy as np
import numpy.typing as npt

from nvcodec.errors import BitstreamError

MAX_TABLE_SIZE = 1 << 16
"""Most symbols an alphabet may have."""
MAX_TOTAL = 1 << 24
"""Largest sum of the counts of a table: the coder divides its range into 2^24 parts."""
MAX_READ = 1 << 28
"""Most symbols one call may read (1 GiB); more would abort the process instead of raising."""

_PRECISION = 24


@dataclass(frozen=True, eq=False)
class FrequencyTable:
    """A probability distribution over consecutive integers, as counts.

    Raises:
        ValueError: The table is empty or too large, a count is not positive, or the counts add up to too much.
    """

    low: int
    """Smallest symbol; symbol ``low + i`` has ``counts[i]``."""
    counts: npt.NDArray[np.int64]
    """int64 [K], each at least 1, sum at most MAX_TOTAL."""

    def __post_init__(self) -> None:
        if not 1 <= self.counts.size <= MAX_TABLE_SIZE:
            raise ValueError(f"frequency table of {self.counts.size} symbols")
        if self.counts.min() < 1 or self.total > MAX_TOTAL:
            raise ValueError(f"frequency table with counts from {self.counts.min()} and sum {self.total}")

    @classmethod
    def uniform(cls, low: int, high: int) -> FrequencyTable:
        """Return the table in which all of low..high are equally likely."""
        return cls(low, np.ones(high - low + 1, dtype=np.int64))

    @cached_property
    def total(self) -> int:
        """Sum of the counts."""
        return int(self.counts.sum())

    @cached_property
    def bits(self) -> npt.NDArray[np.float64]:
        """Bits the coder really spends on each symbol, float64 [K]."""
        return symbol_bits(self.counts)


def symbol_bits(
    counts: npt.NDArray[np.int64], cells: npt.NDArray[np.intp] | EllipsisType = ...
) -> npt.NDArray[np.float64]:
    """Return the bits that the coder really spends on symbols of one or many tables.

    Args:
        counts: Counts, int64 [..., K].
        cells: Which of them to look at, as indices [n] into the flat array; all when left out.

    Returns:
        Bits, float64 [..., K] or [n]: minus the logarithm of the probability after the coder's rounding to 24 bits.
    """
    size = counts.shape[-1]
    free = (1 << _PRECISION) - size
    right = counts.cumsum(axis=-1)
    totals = right[..., -1:]
    if cells is not ...:
        counts, right, totals = counts.ravel()[cells], right.ravel()[cells], totals.ravel()[cells // size]
    scale = free / totals
    # The last symbol takes what rounding left over.
    widths = np.where(right == totals, free, np.floor(right * scale)) - np.floor((right - counts) * scale)
    bits: npt.NDArray[np.float64] = _PRECISION - np.log2(widths + 1)
    return bits


class SymbolSink(Protocol):
    """Whatever symbols can be written to: a coder, or a counter of bits."""

    def write(self, symbols: npt.NDArray[np.int32], table: FrequencyTable) -> None:
        """Take symbols, int32 [n], each in the range of the table."""


class BitCounter:
    """Counts the bits that a RangeWriter would spend, without coding."""

    def __init__(self) -> None:
        self._parts: list[npt.NDArray[np.float64]] = []

    def write(self, symbols: npt.NDArray[np.int32], table: FrequencyTable) -> None:
        """Count symbols, int32 [n], each in the range of the table."""
        self._parts.append(table.bits[symbols - table.low])

    @property
    def per_symbol(self) -> npt.NDArray[np.float64]:
        """Bits of every symbol so far, in the order written."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0)

    @property
    def bits(self) -> float:
        """Bits of all symbols so far."""
        return float(sum(part.sum() for part in self._parts))


class RangeWriter:
    """Codes symbols, first in first out, into a string of bytes."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def write(self, symbols: npt.NDArray[np.int32], table: FrequencyTable) -> None:
        """Code symbols, int32 [n], each in the range of the table; nothing is coded where only one symbol can be."""
        if not symbols.size:
            return
        indices = symbols.astype(np.int32) - np.int32(table.low)
        assert symbols.ndim == 1 and indices.min() >= 0 and indices.max() < table.counts.size, "symbol not in its table"
        if table.counts.size > 1:
            self._encoder.encode(indices, _categorical(table))

    def finish(self) -> bytes:
        """Return everything written, as 32 bit little-endian words; no bytes when nothing was coded."""
        return bytes(self._encoder.get_compressed().astype("<u4").tobytes())


class RangeReader:
    """Reads back what a RangeWriter wrote, given the same tables in the same order.

    Raises:
        BitstreamError: The data is not a whole number of words.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise BitstreamError(f"range-coded data of {len(data):,} bytes is not a whole number of 32 bit words")
        self._surplus = bool(data)
        self._decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, dtype="<u4").astype(np.uint32))

    def read(self, n: int, table: FrequencyTable) -> npt.NDArray[np.int32]:
        """Return the next n symbols.

        Args:
            n: Number of symbols, 0..MAX_READ.
            table: The table they were written with.

        Returns:
            int32 [n], each in the range of the table. Damaged data that cannot be told from good data gives wrong
            symbols: checksums are the container's.

        Raises:
            BitstreamError: The data cannot be the output of a RangeWriter.
        """
        assert 0 <= n <= MAX_READ, n
        if n == 0 or table.counts.size == 1:
            return np.full(n, table.low, dtype=np.int32)
        self._surplus = False
        try:
            indices: npt.NDArray[np.int32] = self._decoder.decode(_categorical(table), n)
        except BaseException as error:
            # A panic inside constriction derives from BaseException and has no importable type.
            if not isinstance(error, AssertionError) and type(error).__name__ != "PanicException":
                raise
            raise BitstreamError("range-coded data is damaged") from error
        return np.add(indices, table.low, dtype=np.int32)

    def finish(self) -> None:
        """Check that the data ends here.

        Raises:
            BitstreamError: Data is left over. One surplus word cannot always be told from the end of a good stream.
        """
        if self._surplus or not self._decoder.maybe_exhausted():
            raise BitstreamError("range-coded data goes on after its last symbol")


def _categorical(table: FrequencyTable) -> constriction.stream.model.Categorical:
    """Build constriction's model of a table.

    perfect=False is the variant made of one division, one multiplication and one truncation per symbol, all exact
    or IEEE 754 rounded, hence the same on every machine; perfect=True uses logarithms.
    """
    return constriction.stream.model.Categorical(table.counts.astype(np.float64), perfect=False)
