"""Entropy models: how the symbols of a tensor are coded, given a model and its parameters."""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt

from nvcodec.entropy.adaptive import adaptive_bits, prior_table, read_adaptive, write_adaptive
from nvcodec.entropy.coder import FrequencyTable, RangeReader, SymbolSink
from nvcodec.entropy.context import context_bits, read_context, write_context
from nvcodec.entropy.params import CodingParams, ModelId
from nvcodec.entropy.tables import gaussian_table

PRIOR_TOTALS = {ModelId.ADAPTIVE: 1 << 12, ModelId.LEARNED: 1 << 9}
"""Weight of the Gaussian that sequences start from: as if 256 or 32 symbols had been seen."""

Symbols = npt.NDArray[np.int32]


def write_symbols(sink: SymbolSink, symbols: Symbols, params: CodingParams) -> None:
    """Write the symbols of a tensor with a model.

    Args:
        sink: Coder or counter.
        symbols: int32 of the shape of the tensor; what is coded of each is in ``params.low``..``params.high``.
        params: Model and its parameters.
    """
    if params.model_id is ModelId.CONTEXT:
        write_context(sink, symbols, params)
    elif params.model_id in PRIOR_TOTALS:
        write_adaptive(sink, symbols.ravel(), _initial_table(params))
    else:
        sink.write(symbols.ravel(), _static_table(params))


def read_symbols(reader: RangeReader, shape: tuple[int, ...], params: CodingParams) -> Symbols:
    """Read back what ``write_symbols`` wrote.

    Args:
        reader: Source of symbols.
        shape: Shape of the tensor.
        params: The model and parameters they were written with.

    Returns:
        int32 of that shape, -MAX_SYMBOL..MAX_SYMBOL.

    Raises:
        BitstreamError: The data is damaged.
    """
    if params.model_id is ModelId.CONTEXT:
        return read_context(reader, shape, params)
    if params.model_id in PRIOR_TOTALS:
        return read_adaptive(reader, prod(shape), _initial_table(params)).reshape(shape)
    return reader.read(prod(shape), _static_table(params)).reshape(shape)


def cost_bits(symbols: Symbols, params: CodingParams) -> float:
    """Return the bits that ``write_symbols`` spends on symbols; no coder runs."""
    if params.model_id is ModelId.CONTEXT:
        return context_bits(symbols, params)
    if params.model_id in PRIOR_TOTALS:
        return adaptive_bits(symbols.ravel(), _initial_table(params))
    return float(_static_table(params).bits[symbols - params.low].sum())


def _initial_table(params: CodingParams) -> FrequencyTable:
    return prior_table(params, PRIOR_TOTALS[params.model_id])


def _static_table(params: CodingParams) -> FrequencyTable:
    if params.model_id is ModelId.GAUSSIAN:
        return gaussian_table(params.scale_index, params.mean, params.low, params.high)
    return FrequencyTable.uniform(params.low, params.high)
