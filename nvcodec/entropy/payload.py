"""The payload of a segment: tensors of integers to one range-coded string of bytes, and back.

The stream holds, in this order: a fingerprint of the tensor list, the coding parameters of all tensors column by
column, the step codes of all tensors, the symbols tensor by tensor. The byte layout is in bitstream_spec.md.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nvcodec.entropy.adaptive import prior_table, read_adaptive, write_adaptive
from nvcodec.entropy.coder import BitCounter, FrequencyTable, RangeReader, RangeWriter, SymbolSink
from nvcodec.entropy.context import WEIGHTS
from nvcodec.entropy.models import cost_bits, read_symbols, write_symbols
from nvcodec.entropy.params import (
    COUNTING,
    MAX_ADAPTIVE_SIZE,
    PARAMETRIC,
    SPANS,
    CodingChoice,
    CodingParams,
    ModelId,
    span_codes,
    support,
)
from nvcodec.entropy.search import choose
from nvcodec.entropy.tables import N_SCALES
from nvcodec.errors import BitstreamError
from nvcodec.quant.tensors import MAX_STEP_CODE, MAX_SYMBOL, MIN_STEP_CODE, IntegerTensor, TensorSpec, in_range

FIRST_STEP_CODE = -48
"""The first step code of a payload is coded as a difference from this one."""
_STEP_SPREAD = MAX_STEP_CODE - MIN_STEP_CODE


def _column(low: int, high: int, mean: int, scale_index: int, total: int = 128) -> FrequencyTable:
    """Return the counts a column of side information starts from; they weigh little, so that it adapts at once."""
    return prior_table(CodingParams(ModelId.ADAPTIVE, low, high, mean, scale_index), total)


_FINGERPRINT = FrequencyTable.uniform(0, 0xFFFF)
_MODELS = FrequencyTable(0, np.array([4, 16, 32, 8, 16, 16], dtype=np.int64))
_WEIGHTS = FrequencyTable(0, np.full(len(WEIGHTS), 16, dtype=np.int64))
_SCALES = _column(0, N_SCALES - 1, 24, 28)
_SPAN_DIFFERENCES = _column(-32, 32, 0, 15)
_BIT_LENGTHS = _column(0, 17, 0, 16)
_FIRST_STEPS = _column(-_STEP_SPREAD, _STEP_SPREAD, 0, 31)
_NEXT_STEPS = _column(-_STEP_SPREAD, _STEP_SPREAD, 0, 20)


@dataclass(frozen=True)
class TensorCost:
    """What one tensor takes of a payload; the coding parameters, about two bytes, are not counted."""

    spec: TensorSpec
    model_id: ModelId
    bits: float
    """Bits of the symbols."""
    step_bits: float
    """Bits of the step codes."""


def encode_tensors(tensors: Sequence[IntegerTensor]) -> bytes:
    """Code tensors into one string of bytes, each with its cheapest entropy model.

    Args:
        tensors: Tensors in ascending order of their ids.

    Returns:
        The payload, a multiple of 4 bytes; empty when there are no tensors.

    Raises:
        ValueError: The ids do not ascend.
    """
    choices = _choices(tensors)
    writer = RangeWriter()
    _write_side_information(writer, tensors, choices)
    for tensor, params in zip(tensors, choices, strict=True):
        write_symbols(writer, tensor.symbols, params)
    return writer.finish()


def decode_tensors(data: bytes, specs: Sequence[TensorSpec]) -> list[IntegerTensor]:
    """Read a payload back.

    Args:
        data: What ``encode_tensors`` returned.
        specs: Specifications of the same tensors, in ascending order of their ids.

    Returns:
        The tensors, integer for integer.

    Raises:
        BitstreamError: The payload is damaged or holds other tensors.
        ValueError: The ids do not ascend.
    """
    return [tensor for tensor, _ in _decode(data, specs)]


def payload_costs(data: bytes, specs: Sequence[TensorSpec]) -> list[TensorCost]:
    """Read a payload and report what each of its tensors takes; arguments and errors as ``decode_tensors``."""
    decoded = _decode(data, specs)
    costs = [(params.model_id, cost_bits(tensor.symbols, params)) for tensor, params in decoded]
    return _tensor_costs([tensor for tensor, _ in decoded], costs)


def tensor_costs(tensors: Sequence[IntegerTensor]) -> list[TensorCost]:
    """Report what each tensor would take of ``encode_tensors(tensors)``, without coding."""
    return _tensor_costs(tensors, [(choice.model_id, choice.bits) for choice in _choices(tensors)])


def estimate_bytes(tensors: Sequence[IntegerTensor]) -> int:
    """Return the length of ``encode_tensors(tensors)`` within 4 bytes, without coding."""
    choices = _choices(tensors)
    counter = BitCounter()
    _write_side_information(counter, tensors, choices)
    return 4 * int(np.ceil((counter.bits + sum(choice.bits for choice in choices)) / 32))


def _choices(tensors: Sequence[IntegerTensor]) -> list[CodingChoice]:
    return [choose(tensor.symbols) for tensor in tensors]


def _tensor_costs(tensors: Sequence[IntegerTensor], costs: Sequence[tuple[ModelId, float]]) -> list[TensorCost]:
    firsts, rests = BitCounter(), BitCounter()
    first_steps, next_steps = _step_differences(tensors)
    write_adaptive(firsts, first_steps, _FIRST_STEPS)
    write_adaptive(rests, next_steps, _NEXT_STEPS)
    ends = np.cumsum([tensor.spec.n_steps - 1 for tensor in tensors])
    step_bits = [
        float(first + rest.sum())
        for first, rest in zip(firsts.per_symbol, np.split(rests.per_symbol, ends)[:-1], strict=True)
    ]
    return [
        TensorCost(tensor.spec, model_id, bits, steps)
        for tensor, (model_id, bits), steps in zip(tensors, costs, step_bits, strict=True)
    ]


def _decode(data: bytes, specs: Sequence[TensorSpec]) -> list[tuple[IntegerTensor, CodingParams]]:
    reader = RangeReader(data)
    all_params, all_codes = _read_side_information(reader, specs)
    decoded = []
    for spec, params, codes in zip(specs, all_params, all_codes, strict=True):
        try:
            symbols = read_symbols(reader, spec.shape, params)
        except BitstreamError as error:
            raise BitstreamError(f"{spec}: {error.message}") from error
        decoded.append((IntegerTensor(spec, symbols, codes), params))
    reader.finish()
    return decoded


def _write_side_information(
    sink: SymbolSink, tensors: Sequence[IntegerTensor], choices: Sequence[CodingParams]
) -> None:
    """Write everything but the symbols."""
    if not tensors:
        return
    sink.write(_int32([_fingerprint([tensor.spec for tensor in tensors])]), _FINGERPRINT)
    parametric = [params for params in choices if params.model_id in PARAMETRIC]
    raw = [params for params in choices if params.model_id is ModelId.RAW]
    spans = [[code - _usual_span_code(params.scale_index) for code in span_codes(params)] for params in parametric]
    write_adaptive(sink, _int32([params.model_id for params in choices]), _MODELS)
    write_adaptive(sink, _int32([params.scale_index for params in parametric]), _SCALES)
    write_adaptive(sink, _int32([below for below, _ in spans]), _SPAN_DIFFERENCES)
    write_adaptive(sink, _int32([above for _, above in spans]), _SPAN_DIFFERENCES)
    _write_integers(sink, [params.mean for params in parametric])
    contextual = [params for params in choices if params.model_id is ModelId.CONTEXT]
    write_adaptive(sink, _int32([params.temporal for params in contextual]), _WEIGHTS)
    write_adaptive(sink, _int32([params.spatial for params in contextual]), _WEIGHTS)
    _write_integers(sink, [params.low for params in raw])
    _write_integers(sink, [params.high - params.low for params in raw])
    first_steps, next_steps = _step_differences(tensors)
    write_adaptive(sink, first_steps, _FIRST_STEPS)
    write_adaptive(sink, next_steps, _NEXT_STEPS)


def _read_side_information(
    reader: RangeReader, specs: Sequence[TensorSpec]
) -> tuple[list[CodingParams], list[npt.NDArray[np.int16]]]:
    """Read the coding parameters and step codes of every tensor, and check them."""
    if not specs:
        return [], []
    if reader.read(1, _FINGERPRINT)[0] != _fingerprint(specs):
        raise BitstreamError(
            f"payload does not hold the {len(specs)} tensors from {specs[0]} to {specs[-1]} that its header announces"
        )
    models = [ModelId(number) for number in read_adaptive(reader, len(specs), _MODELS)]
    n_parametric = sum(model in PARAMETRIC for model in models)
    n_raw = models.count(ModelId.RAW)
    scales = read_adaptive(reader, n_parametric, _SCALES).tolist()
    belows = read_adaptive(reader, n_parametric, _SPAN_DIFFERENCES).tolist()
    aboves = read_adaptive(reader, n_parametric, _SPAN_DIFFERENCES).tolist()
    parametric = zip(scales, belows, aboves, _read_integers(reader, n_parametric), strict=True)
    n_contextual = models.count(ModelId.CONTEXT)
    temporals = read_adaptive(reader, n_contextual, _WEIGHTS).tolist()
    weights = zip(temporals, read_adaptive(reader, n_contextual, _WEIGHTS).tolist(), strict=True)
    raw = zip(_read_integers(reader, n_raw), _read_integers(reader, n_raw), strict=True)

    params = []
    for spec, model in zip(specs, models, strict=True):
        if model in PARAMETRIC:
            scale_index, below, above, mean = next(parametric)
            temporal, spatial = next(weights) if model is ModelId.CONTEXT else (0, 0)
            found = CodingParams(model, 0, 0, mean, scale_index, temporal, spatial)
            params.append(_with_support(spec, found, below, above))
        elif model is ModelId.RAW:
            params.append(_raw_params(spec, *next(raw)))
        else:
            params.append(CodingParams(ModelId.ZERO, 0, 0))
    return params, _read_step_codes(reader, specs)


def _with_support(spec: TensorSpec, params: CodingParams, below: int, above: int) -> CodingParams:
    """Check the parameters of a PARAMETRIC model, and complete them from the columns of span differences."""
    if params.model_id is ModelId.CONTEXT and len(spec.shape) != 4:
        raise BitstreamError(f"{spec}: context model for {len(spec.shape)} dimensions, needs 4")
    if abs(params.mean) > MAX_SYMBOL:
        raise BitstreamError(f"{spec}: mean {params.mean} is out of range")
    codes = [_usual_span_code(params.scale_index) + difference for difference in (below, above)]
    if not all(0 <= code < len(SPANS) for code in codes):
        raise BitstreamError(f"{spec}: span codes {codes} are out of range")
    low, high = support(params.centre, *codes)
    if params.model_id in COUNTING and high - low >= MAX_ADAPTIVE_SIZE:
        raise BitstreamError(f"{spec}: adaptive model with {high - low + 1} symbols, limit {MAX_ADAPTIVE_SIZE}")
    return replace(params, low=low, high=high)


def _usual_span_code(scale_index: int) -> int:
    """Return the span code of about 3.3 standard deviations, from which real ones differ little."""
    return max((29 * scale_index >> 6) - 3, 0)


def _raw_params(spec: TensorSpec, low: int, width: int) -> CodingParams:
    if width < 0 or low < -MAX_SYMBOL or low + width > MAX_SYMBOL:
        raise BitstreamError(f"{spec}: symbols {low}..{low + width} are out of range")
    return CodingParams(ModelId.RAW, low, low + width)


def _step_differences(tensors: Sequence[IntegerTensor]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return each tensor's first step code less the one before, and the differences within all tensors.

    Offsets begin with a difference from 0.
    """
    if not tensors:
        return _int32([]), _int32([])
    codes = [tensor.step_codes.astype(np.int32) for tensor in tensors]
    firsts = np.diff(_int32([FIRST_STEP_CODE, *(code[0] for code in codes)]))
    rests = []
    for tensor, code in zip(tensors, codes, strict=True):
        own, offsets = np.split(code, [tensor.spec.n_first_steps])
        rests += [np.diff(own), np.diff(offsets, prepend=np.int32(0))]
    return firsts, np.concatenate(rests)


def _read_step_codes(reader: RangeReader, specs: Sequence[TensorSpec]) -> list[npt.NDArray[np.int16]]:
    firsts = FIRST_STEP_CODE + np.cumsum(read_adaptive(reader, len(specs), _FIRST_STEPS), dtype=np.int64)
    differences = read_adaptive(reader, sum(spec.n_steps - 1 for spec in specs), _NEXT_STEPS)
    rests = np.split(differences, np.cumsum([spec.n_steps - 1 for spec in specs]))
    all_codes = []
    for spec, first, rest in zip(specs, firsts, rests[:-1], strict=True):
        own, offsets = np.split(rest.astype(np.int64), [spec.n_first_steps - 1])
        codes = np.concatenate([np.cumsum([first, *own]), np.cumsum(offsets)])
        if not in_range(spec, codes):
            raise BitstreamError(f"{spec}: step code out of {MIN_STEP_CODE}..{MAX_STEP_CODE}")
        all_codes.append(codes.astype(np.int16))
    return all_codes


def _write_integers(sink: SymbolSink, values: Sequence[int]) -> None:
    """Write integers below 2^16 in magnitude: bit lengths by an adaptive model, then the bits below the highest."""
    zigzag = [2 * value if value >= 0 else -2 * value - 1 for value in values]
    lengths = [value.bit_length() for value in zigzag]
    write_adaptive(sink, _int32(lengths), _BIT_LENGTHS)
    for value, length in zip(zigzag, lengths, strict=True):
        if length > 1:
            half = 1 << (length - 1)
            sink.write(_int32([value - half]), FrequencyTable.uniform(0, half - 1))


def _read_integers(reader: RangeReader, n: int) -> list[int]:
    values = []
    for length in read_adaptive(reader, n, _BIT_LENGTHS).tolist():
        half = 1 << max(length - 1, 0)
        value = 0 if length == 0 else half + int(reader.read(1, FrequencyTable.uniform(0, half - 1))[0])
        values.append(value >> 1 if value % 2 == 0 else -(value + 1 >> 1))
    return values


def _fingerprint(specs: Sequence[TensorSpec]) -> int:
    """Return 16 bits that tell lists of tensors apart: ids, shapes and step axes."""
    if any(before.id >= after.id for before, after in pairwise(specs)):
        raise ValueError("tensors must be in ascending order of their ids")
    sha = hashlib.sha256()
    for spec in specs:
        axis = 0xFFFFFFFF if spec.step_axis is None else spec.step_axis
        axis = axis if spec.offset_axis is None else axis | spec.offset_axis + 1 << 16
        sha.update(struct.pack(f"<{3 + len(spec.shape)}I", spec.id, len(spec.shape), *spec.shape, axis))
    return int.from_bytes(sha.digest()[:2], "little")


def _int32(values: Sequence[int]) -> npt.NDArray[np.int32]:
    return np.array(values, dtype=np.int32)
