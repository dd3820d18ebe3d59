"""The whole payload decoder again, in plain Python integers, straight from bitstream_spec.md.

It shares nothing with the package but the two frozen tables: what another implementation would be.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nvcodec.entropy import context as context_model
from nvcodec.entropy import payload
from nvcodec.entropy.coder import BitCounter
from nvcodec.entropy.models import cost_bits, write_symbols
from nvcodec.entropy.params import MAX_ADAPTIVE_SIZE, CodingChoice, CodingParams, ModelId, span_codes, support
from nvcodec.entropy.payload import decode_tensors, encode_tensors, tensor_costs
from nvcodec.entropy.tables import INVERSE_SCALES, NORMAL_CDF
from nvcodec.quant.tensors import IntegerTensor, Role, TensorSpec, digest

MASK = 2**64 - 1


class Decoder:
    """Range decoder with 32 bit words and a 64 bit state."""

    def __init__(self, data: bytes) -> None:
        self.words = list(struct.unpack(f"<{len(data) // 4}I", data))
        self.lower, self.range = 0, MASK
        self.point = self.next_word() << 32 | self.next_word()

    def next_word(self) -> int:
        return self.words.pop(0) if self.words else 0

    def symbol(self, low: int, counts: list[int]) -> int:
        if len(counts) == 1:
            return low
        scale = (2**24 - len(counts)) / sum(counts)
        left, cumulative = [], 0
        for index, count in enumerate(counts):
            left.append(int(cumulative * scale) + index)
            cumulative += count
        left.append(2**24)
        part = self.range >> 24
        quantile = ((self.point - self.lower) & MASK) // part
        index = next(i for i in range(len(counts)) if left[i] <= quantile < left[i + 1])
        self.lower = (self.lower + part * left[index]) & MASK
        self.range = part * (left[index + 1] - left[index])
        if self.range < 2**32:
            self.lower = self.lower << 32 & MASK
            self.range <<= 32
            self.point = (self.point << 32 & MASK) | self.next_word()
        return low + index

    def adaptive(self, n: int, low: int, counts: list[int]) -> list[int]:
        symbols: list[int] = []
        while len(symbols) < n:
            block = min(max(1, len(symbols)), 512, n - len(symbols))
            new = [self.symbol(low, counts) for _ in range(block)]
            for symbol in new:
                counts[symbol - low] += 16
            if sum(counts) > 2**21:
                counts = [count + 1 >> 1 for count in counts]
            symbols += new
        return symbols

    def integers(self, n: int) -> list[int]:
        values = []
        for length in self.adaptive(n, 0, prior(16, 0, 0, 17, 128)):
            value = 0
            if length > 0:
                value = self.symbol(1 << length - 1, [1] * (1 << length - 1))
            values.append(value // 2 if value % 2 == 0 else -(value + 1) // 2)
        return values


def gaussian(scale: int, mean: int, low: int, high: int, half: int = 0) -> list[int]:
    def height(x: int) -> int:
        position = min(abs(x) * INVERSE_SCALES[scale], 352 << 20)
        index = min(position >> 20, 351)
        fraction = position - (index << 20)
        value = NORMAL_CDF[index] + ((NORMAL_CDF[index + 1] - NORMAL_CDF[index]) * fraction >> 20) - 2**23
        return value if x > 0 else -value

    edges = [2 * (q - mean) - 1 - half for q in range(low, high + 2)]
    return [1 + (height(after) - height(before) >> 4) for before, after in itertools.pairwise(edges)]


def prior(scale: int, mean: int, low: int, high: int, total: int) -> list[int]:
    return [1 + (count * total >> 20) for count in gaussian(scale, mean, low, high)]


WEIGHTS = [0, 4, 16, 64, 256]
SCALES = [
    4,
    4,
    4,
    4,
    5,
    6,
    7,
    8,
    10,
    11,
    12,
    14,
    17,
    19,
    21,
    23,
    25,
    28,
    30,
    32,
    34,
    36,
    39,
    41,
    43,
    45,
    48,
    50,
    52,
    54,
]
SCALES += [57, 59, 62]
ACROSS = [(-1, 0), (0, -1), (0, 1), (1, 0)]
CORNERS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]


def context(
    decoder: Decoder, shape: tuple[int, ...], low: int, high: int, mean: int, scale: int, temporal: int, spatial: int
) -> list[int]:
    """One element after another; neighbours are looked up by their coordinates."""
    slices, rows, columns, channels = shape
    values: dict[tuple[int, ...], int] = {}
    errors: dict[tuple[int, ...], int] = {}
    counts: dict[int, list[int]] = {}
    spans = [0] + [2**k for k in range(40, -1, -1) if 2**k < slices]
    phases = [(range(0, rows, 4), range(0, columns, 4), 0, [])]
    for reach in (2, 1):
        even, odd = (lambda size, r=reach: range(0, size, 2 * r)), (lambda size, r=reach: range(r, size, 2 * r))
        phases.append((odd(rows), odd(columns), reach, CORNERS))
        phases.append((even(rows), odd(columns), reach, ACROSS))
        phases.append((odd(rows), even(columns), reach, ACROSS))
    for span_, (ys, xs, reach, directions) in itertools.product(spans, phases):
        times = range(span_, slices, 2 * span_) if span_ else range(1)
        coded = []
        for t, y, x in itertools.product(times, ys, xs):
            in_time = [(t + d, y, x) for d in (-span_, span_) if span_ and t + d < slices]
            in_slice = [(t, y + reach * down, x + reach * right) for down, right in directions]
            in_slice = [place for place in in_slice if 0 <= place[1] < rows and 0 <= place[2] < columns]
            time_weight = WEIGHTS[temporal] // (span_ or 1)
            slice_weight = WEIGHTS[spatial] // (reach or 1) // (2 if directions is CORNERS else 1)
            error_weight = 1 if directions is CORNERS else 2
            predictions, sums = [], []
            for c in range(channels):
                total = 16 + time_weight * len(in_time) + slice_weight * len(in_slice)
                weighed = time_weight * sum(values[(c, *place)] for place in in_time)
                weighed += slice_weight * sum(values[(c, *place)] for place in in_slice)
                predictions.append((16 * weighed + total // 2) // total)
                sums.append((5 << 28) // INVERSE_SCALES[scale] + 2 * sum(errors[(c, *place)] for place in in_time))
                sums[c] += error_weight * sum(errors[(c, *place)] for place in in_slice)
            for c in range(channels):
                total = 3 + 2 * len(in_time) + error_weight * len(in_slice)
                expected = 2 * (sums[c] + sum(sums) // channels) // total
                digits = expected.bit_length()
                magnitude = 0 if digits < 2 else min(2 * (digits - 1) + (expected >> digits - 2 & 1), 32)
                half = (predictions[c] + 4) // 8
                coded.append((2 * magnitude + half % 2, (c, t, y, x), half // 2, predictions[c]))
        for number, group in itertools.groupby(sorted(coded), key=lambda element: element[0]):
            if number not in counts:
                first = gaussian(SCALES[number // 2], 0, low, high, number % 2)
                counts[number] = [1 + (count * 8192 >> 20) for count in first]
            table = list(counts[number])
            for _, place, base, prediction in group:
                difference = decoder.symbol(low, table)
                values[place] = base + difference
                errors[place] = abs(16 * values[place] - prediction)
                counts[number][difference - low] += 16
            while sum(counts[number]) > 2**21:
                counts[number] = [count + 1 >> 1 for count in counts[number]]
    places = itertools.product(range(slices), range(rows), range(columns), range(channels))
    return [values[c, t, y, x] + mean for t, y, x, c in places]


def axes(spec: TensorSpec) -> int:
    if spec.step_axis is None:
        return 2**32 - 1
    return spec.step_axis + (0 if spec.offset_axis is None else 65536 * (spec.offset_axis + 1))


def span(code: int) -> int:
    return code if code < 2 else (2 + code % 2) << code // 2 - 1


def decode(data: bytes, specs: list[TensorSpec]) -> list[tuple[list[int], list[int]]]:
    """Return (step codes, symbols) of every tensor."""
    decoder = Decoder(data)
    layout = b"".join(
        struct.pack("<II", s.id, len(s.shape))
        + b"".join(struct.pack("<I", dimension) for dimension in s.shape)
        + struct.pack("<I", axes(s))
        for s in specs
    )
    assert decoder.symbol(0, [1] * 65536) == int.from_bytes(hashlib.sha256(layout).digest()[:2], "little")
    models = decoder.adaptive(len(specs), 0, [4, 16, 32, 8, 16, 16])
    gaussians = [i for i, model in enumerate(models) if model in (1, 2, 4, 5)]
    raws = [i for i, model in enumerate(models) if model == 0]
    scales = decoder.adaptive(len(gaussians), 0, prior(28, 24, 0, 63, 128))
    belows = decoder.adaptive(len(gaussians), -32, prior(15, 0, -32, 32, 128))
    aboves = decoder.adaptive(len(gaussians), -32, prior(15, 0, -32, 32, 128))
    means = decoder.integers(len(gaussians))
    contexts = [i for i, model in enumerate(models) if model == 5]
    temporals = decoder.adaptive(len(contexts), 0, [16] * 5)
    spatials = decoder.adaptive(len(contexts), 0, [16] * 5)
    lows = decoder.integers(len(raws))
    widths = decoder.integers(len(raws))
    firsts = decoder.adaptive(len(specs), -192, prior(31, 0, -192, 192, 128))
    nexts = decoder.adaptive(sum(s.n_steps - 1 for s in specs), -192, prior(20, 0, -192, 192, 128))

    decoded, first, totals = [], -48, {2: 4096, 4: 512}
    for i, spec in enumerate(specs):
        first += firsts[i]
        codes = [first]
        for position in range(1, spec.n_steps):
            codes.append((0 if position == spec.n_first_steps else codes[-1]) + nexts.pop(0))
        if i in gaussians:
            g = gaussians.index(i)
            usual = max((29 * scales[g] >> 6) - 3, 0)
            centre = 0 if models[i] == 5 else means[g]
            low = max(centre - span(usual + belows[g]), -32767)
            high = min(centre + span(usual + aboves[g]), 32767)
            if models[i] == 5:
                k = contexts.index(i)
                symbols = context(decoder, spec.shape, low, high, means[g], scales[g], temporals[k], spatials[k])
            elif models[i] == 1:
                counts = gaussian(scales[g], means[g], low, high)
                symbols = [decoder.symbol(low, counts) for _ in range(spec.size)]
            else:
                symbols = decoder.adaptive(spec.size, low, prior(scales[g], means[g], low, high, totals[models[i]]))
        elif i in raws:
            r = raws.index(i)
            symbols = [decoder.symbol(lows[r], [1] * (widths[r] + 1)) for _ in range(spec.size)]
        else:
            symbols = [0] * spec.size
        decoded.append((codes, symbols))
    return decoded


def _tensors() -> list[IntegerTensor]:
    rng = np.random.default_rng(9)
    draws = [
        (rng.laplace(0, 2, (24, 60)), 0, 1),
        (rng.normal(5, 30, (150,)), None, None),
        (np.zeros((3, 3)), 1, None),
        (rng.choice([0, 7], (4, 300), p=[0.9, 0.1]), None, None),
        (np.array([-32767, 32767, 12]), None, None),
        (np.full((8,), -6), None, None),
        (rng.normal(0, 0.3, (70,)), None, None),
        (7 + 3 * rng.normal(0, 1, (6, 5, 7, 3)).cumsum(axis=0), 3, 0),
        (rng.laplace(0, 1, (5, 9, 6, 2)) * rng.choice([0.2, 4], (1, 9, 6, 1)), 3, None),
    ]
    tensors = []
    for i, (values, axis, offset_axis) in enumerate(draws):
        spec = TensorSpec(10 * i, f"t{i}", values.shape, Role.WEIGHT, axis, offset_axis)
        codes = rng.integers(-70, -30, spec.n_steps)
        codes[spec.n_first_steps :] //= 16
        tensors.append(IntegerTensor(spec, np.rint(values).astype(np.int32), codes.astype(np.int16)))
    return tensors


def _assert_both_decoders_agree(tensors: list[IntegerTensor]) -> None:
    data, specs = encode_tensors(tensors), [tensor.spec for tensor in tensors]
    assert digest(decode_tensors(data, specs)) == digest(tensors)
    for tensor, (codes, symbols) in zip(tensors, decode(data, specs), strict=True):
        assert codes == tensor.step_codes.tolist()
        assert symbols == tensor.symbols.ravel().tolist()


def test_plain_python_decoder_reads_the_same_integers() -> None:
    tensors = _tensors()
    assert {cost.model_id for cost in tensor_costs(tensors)} == set(ModelId)
    _assert_both_decoders_agree(tensors)


@st.composite
def grids(draw: st.DrawFn) -> tuple[npt.NDArray[np.int32], CodingParams]:
    """Small grids of any shape, all alike, small, large or at the end of the range, with any parameters."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 6), st.integers(1, 7), st.integers(1, 3)))
    spread, middle = draw(st.sampled_from([(0, 0), (1, 0), (3, -5), (60, 40), (1, 32766), (200, -32567)]))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    symbols = rng.integers(middle - spread, middle + spread, shape, dtype=np.int32, endpoint=True)
    mean, scale = draw(st.sampled_from([middle, middle + 1, 0])), draw(st.integers(0, 63))
    params = CodingParams(ModelId.CONTEXT, 0, 0, mean, scale, draw(st.integers(0, 4)), draw(st.integers(0, 4)))
    differences, _ = context_model._analyse(symbols, params)
    params = replace(params, low=min(int(differences.min()), 0), high=max(int(differences.max()), 0))
    low, high = support(0, *span_codes(params))
    assume(low <= params.low and params.high <= high and high - low < MAX_ADAPTIVE_SIZE)
    return symbols, replace(params, low=low, high=high)


@settings(deadline=None, max_examples=40)
@given(grids())
def test_any_grid_comes_back_from_both_decoders(grid: tuple[npt.NDArray[np.int32], CodingParams]) -> None:
    symbols, params = grid
    tensor = IntegerTensor(TensorSpec(3, "grid", symbols.shape, Role.GRID, None), symbols, np.zeros(1, dtype=np.int16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "choose", lambda _: CodingChoice(**vars(params)))
        _assert_both_decoders_agree([tensor])
    assert cost_bits(symbols, params) == pytest.approx(_counted_bits(symbols, params), abs=1e-6)


def _counted_bits(symbols: npt.NDArray[np.int32], params: CodingParams) -> float:
    counter = BitCounter()
    write_symbols(counter, symbols, params)
    return counter.bits
