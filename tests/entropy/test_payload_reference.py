"""The whole payload decoder again, in plain Python integers, straight from bitstream_spec.md.

It shares nothing with the package but the two frozen tables: what another implementation would be.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from nvcodec.entropy.models import ModelId
from nvcodec.entropy.payload import encode_tensors, tensor_costs
from nvcodec.entropy.tables import INVERSE_SCALES, NORMAL_CDF
from nvcodec.quant.tensors import IntegerTensor, Role, TensorSpec

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


def gaussian(scale: int, mean: int, low: int, high: int) -> list[int]:
    def height(x: int) -> int:
        position = min(abs(x) * INVERSE_SCALES[scale], 352 << 20)
        index = min(position >> 20, 351)
        fraction = position - (index << 20)
        value = NORMAL_CDF[index] + ((NORMAL_CDF[index + 1] - NORMAL_CDF[index]) * fraction >> 20) - 2**23
        return value if x > 0 else -value

    return [1 + (height(2 * (q - mean) + 1) - height(2 * (q - mean) - 1) >> 4) for q in range(low, high + 1)]


def prior(scale: int, mean: int, low: int, high: int, total: int) -> list[int]:
    return [1 + (count * total >> 20) for count in gaussian(scale, mean, low, high)]


def span(code: int) -> int:
    return code if code < 2 else (2 + code % 2) << code // 2 - 1


def decode(data: bytes, specs: list[TensorSpec]) -> list[tuple[list[int], list[int]]]:
    """Return (step codes, symbols) of every tensor."""
    decoder = Decoder(data)
    layout = b"".join(
        struct.pack("<II", s.id, len(s.shape))
        + b"".join(struct.pack("<I", dimension) for dimension in s.shape)
        + struct.pack("<I", 2**32 - 1 if s.step_axis is None else s.step_axis)
        for s in specs
    )
    assert decoder.symbol(0, [1] * 65536) == int.from_bytes(hashlib.sha256(layout).digest()[:2], "little")
    models = decoder.adaptive(len(specs), 0, [4, 16, 32, 8, 16])
    gaussians = [i for i, model in enumerate(models) if model in (1, 2, 4)]
    raws = [i for i, model in enumerate(models) if model == 0]
    scales = decoder.adaptive(len(gaussians), 0, prior(28, 24, 0, 63, 128))
    belows = decoder.adaptive(len(gaussians), -32, prior(15, 0, -32, 32, 128))
    aboves = decoder.adaptive(len(gaussians), -32, prior(15, 0, -32, 32, 128))
    means = decoder.integers(len(gaussians))
    lows = decoder.integers(len(raws))
    widths = decoder.integers(len(raws))
    firsts = decoder.adaptive(len(specs), -192, prior(31, 0, -192, 192, 128))
    nexts = decoder.adaptive(sum(s.n_steps - 1 for s in specs), -192, prior(20, 0, -192, 192, 128))

    decoded, first, totals = [], -48, {2: 4096, 4: 512}
    for i, spec in enumerate(specs):
        first += firsts[i]
        codes = [first]
        for _ in range(spec.n_steps - 1):
            codes.append(codes[-1] + nexts.pop(0))
        if i in gaussians:
            g = gaussians.index(i)
            usual = max((29 * scales[g] >> 6) - 3, 0)
            low = max(means[g] - span(usual + belows[g]), -32767)
            high = min(means[g] + span(usual + aboves[g]), 32767)
            if models[i] == 1:
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
        (rng.laplace(0, 2, (24, 60)), 0),
        (rng.normal(5, 30, (150,)), None),
        (np.zeros((3, 3)), 1),
        (rng.choice([0, 7], (4, 300), p=[0.9, 0.1]), None),
        (np.array([-32767, 32767, 12]), None),
        (np.full((8,), -6), None),
        (rng.normal(0, 0.3, (70,)), None),
    ]
    tensors = []
    for i, (values, axis) in enumerate(draws):
        spec = TensorSpec(10 * i, f"t{i}", values.shape, Role.WEIGHT, axis)
        codes = rng.integers(-70, -30, spec.n_steps).astype(np.int16)
        tensors.append(IntegerTensor(spec, np.rint(values).astype(np.int32), codes))
    return tensors


def test_plain_python_decoder_reads_the_same_integers() -> None:
    tensors = _tensors()
    assert {cost.model_id for cost in tensor_costs(tensors)} == set(ModelId)
    decoded = decode(encode_tensors(tensors), [tensor.spec for tensor in tensors])
    for tensor, (codes, symbols) in zip(tensors, decoded, strict=True):
        assert codes == tensor.step_codes.tolist()
        assert symbols == tensor.symbols.ravel().tolist()
