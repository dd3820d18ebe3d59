"""Entropy models: round trips, costs against real bytes and a slow twin, and the choice between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.entropy.adaptive import prior_table
from nvcodec.entropy.coder import RangeReader, RangeWriter
from nvcodec.entropy.models import cost_bits, read_symbols, write_symbols
from nvcodec.entropy.params import SPANS, CodingParams, ModelId, span_codes, support
from nvcodec.entropy.search import choose
from nvcodec.quant.tensors import MAX_SYMBOL

Symbols = npt.NDArray[np.int32]


def _real_bytes(symbols: Symbols, params: CodingParams) -> int:
    """Length after coding, once decoding has been seen to give the symbols back."""
    writer = RangeWriter()
    write_symbols(writer, symbols, params)
    data = writer.finish()
    reader = RangeReader(data)
    assert read_symbols(reader, symbols.shape, params).tolist() == symbols.tolist()
    reader.finish()
    return len(data)


def _draw(distribution: str, n: int, scale: float) -> Symbols:
    rng = np.random.default_rng(n)
    values: npt.NDArray[np.float64] = (rng.normal if distribution == "normal" else rng.laplace)(0, scale, n)
    return np.rint(values).astype(np.int32)


def _slow_adaptive_bits(symbols: Symbols, params: CodingParams) -> float:
    """The ADAPTIVE model in plain Python, one symbol at a time, probabilities unrounded."""
    counts = prior_table(params, {ModelId.ADAPTIVE: 4096, ModelId.LEARNED: 512}[params.model_id]).counts.tolist()
    bits, pending, block = 0.0, [], 1
    for position, symbol in enumerate(symbols.tolist()):
        index = symbol - params.low
        bits -= math.log2(counts[index] / sum(counts))
        pending.append(index)
        if position + 1 == block:
            for seen in pending:
                counts[seen] += 16
            if sum(counts) > 2**21:
                counts = [(count + 1) // 2 for count in counts]
            block += min(block, 512)
            pending = []
    return bits


@pytest.mark.parametrize("model_id", [ModelId.RAW, ModelId.GAUSSIAN, ModelId.ADAPTIVE, ModelId.LEARNED])
@pytest.mark.parametrize("n", [1, 2, 3, 1000, 20000])
def test_every_model_gives_its_symbols_back(model_id: ModelId, n: int) -> None:
    symbols = _draw("laplace", n, 4)
    _real_bytes(symbols, CodingParams(model_id, -60, 70, 2, 20))


@settings(deadline=None)
@given(
    symbols=st.lists(
        st.one_of(st.integers(-3, 3), st.integers(-300, 300), st.integers(-MAX_SYMBOL, MAX_SYMBOL)),
        min_size=1,
        max_size=60,
    )
)
def test_any_symbols_survive_their_choice(symbols: list[int]) -> None:
    array = np.array(symbols, dtype=np.int32)
    choice = choose(array)
    assert choice.low <= array.min()
    assert choice.high >= array.max()
    assert -MAX_SYMBOL <= choice.low <= choice.high <= MAX_SYMBOL
    assert cost_bits(array, choice) == pytest.approx(choice.bits, abs=0.01)
    assert abs(8 * _real_bytes(array, choice) - choice.bits) <= 64
    if choice.model_id in (ModelId.GAUSSIAN, ModelId.ADAPTIVE, ModelId.LEARNED):
        assert support(choice.mean, *span_codes(choice)) == (choice.low, choice.high)


@pytest.mark.parametrize("value", [0, 1, -MAX_SYMBOL, MAX_SYMBOL])
def test_constant_tensors_cost_nothing(value: int) -> None:
    symbols = np.full(5000, value, dtype=np.int32)
    choice = choose(symbols)
    assert choice.bits == 0
    assert _real_bytes(symbols, choice) == 0
    assert (choice.model_id is ModelId.ZERO) == (value == 0)


@pytest.mark.parametrize("distribution", ["normal", "laplace"])
@pytest.mark.parametrize("scale", [0.3, 3.0, 150.0])
@pytest.mark.parametrize("model_id", [ModelId.RAW, ModelId.GAUSSIAN, ModelId.ADAPTIVE, ModelId.LEARNED])
def test_cost_agrees_with_real_bytes(distribution: str, scale: float, model_id: ModelId) -> None:
    symbols = _draw(distribution, 50000, scale)
    low, high = int(symbols.min()), int(symbols.max())
    best = choose(symbols)
    params = replace(best, model_id=model_id, low=min(low, best.low), high=max(high, best.high))
    assert 8 * _real_bytes(symbols, params) == pytest.approx(cost_bits(symbols, params), rel=0.005)


@pytest.mark.parametrize("model_id", [ModelId.ADAPTIVE, ModelId.LEARNED])
@pytest.mark.parametrize(("n", "scale"), [(1, 1.0), (7, 2.0), (3000, 5.0), (140000, 0.7)])
def test_adaptive_cost_agrees_with_its_slow_twin(n: int, scale: float, model_id: ModelId) -> None:
    symbols = _draw("laplace", n, scale)
    params = CodingParams(model_id, int(symbols.min()) - 1, int(symbols.max()) + 1, 0, 16)
    assert cost_bits(symbols, params) == pytest.approx(_slow_adaptive_bits(symbols, params), rel=1e-4)


@pytest.mark.parametrize("force", [lambda choice: choice, lambda choice: replace(choice, model_id=ModelId.GAUSSIAN)])
def test_gaussian_symbols_cost_their_entropy(force: Callable[[CodingParams], CodingParams]) -> None:
    symbols = _draw("normal", 100_000, 3.0)
    entropy = sum(
        -p * math.log2(p)
        for p in (
            0.5 * (math.erf((q + 0.5) / (3 * math.sqrt(2))) - math.erf((q - 0.5) / (3 * math.sqrt(2))))
            for q in range(-18, 19)
        )
    )
    assert _real_bytes(symbols, force(choose(symbols))) * 8 <= 1.005 * 100_000 * entropy


def test_skewed_symbols_are_learnt() -> None:
    symbols = np.random.default_rng(3).choice([0, 5, 6, 40], 20000, p=[0.7, 0.1, 0.15, 0.05]).astype(np.int32)
    choice = choose(symbols)
    assert choice.model_id is ModelId.LEARNED
    assert choice.bits < 1.01 * 20000 * 1.319


def test_wide_alphabets_never_adapt() -> None:
    symbols = np.random.default_rng(4).integers(-MAX_SYMBOL, MAX_SYMBOL, 3000, dtype=np.int32)
    assert choose(symbols).model_id is ModelId.RAW
    assert choose(np.rint(np.random.default_rng(5).normal(0, 2000, 3000)).astype(np.int32)).model_id is ModelId.GAUSSIAN


def test_choice_is_the_best_gaussian_within_a_hair() -> None:
    symbols = _draw("normal", 3000, 7.3)
    choice = replace(choose(symbols), model_id=ModelId.GAUSSIAN)
    best = min(
        cost_bits(symbols, replace(choice, mean=mean, scale_index=scale_index))
        for mean in range(-2, 3)
        for scale_index in range(64)
    )
    assert cost_bits(symbols, choice) <= best * 1.0005


def test_spans_grow_by_half_steps_and_reach_everything() -> None:
    assert SPANS[:9] == (0, 1, 2, 3, 4, 6, 8, 12, 16)
    assert SPANS[-1] == 65536
    assert support(-MAX_SYMBOL, 32, 32) == (-MAX_SYMBOL, MAX_SYMBOL)
