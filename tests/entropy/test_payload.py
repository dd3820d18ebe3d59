"""Payload: round trips, known bytes, size, and reports."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.entropy.params import ModelId
from nvcodec.entropy.payload import decode_tensors, encode_tensors, estimate_bytes, payload_costs, tensor_costs
from nvcodec.errors import BitstreamError
from nvcodec.quant.tensors import MAX_STEP_CODE, MIN_STEP_CODE, IntegerTensor, Role, TensorSpec, digest


def _tensor(id: int, shape: tuple[int, ...], scale: float, step_axis: int | None = None) -> IntegerTensor:
    rng = np.random.default_rng(id)
    spec = TensorSpec(id, f"t{id}", shape, Role.WEIGHT, step_axis)
    symbols = np.clip(np.rint(rng.normal(0, scale, shape)), -32767, 32767).astype(np.int32)
    return IntegerTensor(spec, symbols, np.rint(rng.normal(-40, 2, spec.n_steps)).astype(np.int16))


def _noise(id: int, n: int) -> npt.NDArray[np.int64]:
    """The same nearly Gaussian integers on every machine and with every numpy, standard deviation 148."""
    numbers = np.frombuffer(hashlib.shake_128(bytes([id])).digest(4 * n), dtype=np.uint8)
    return numbers.reshape(n, 4).astype(np.int64) @ np.ones(4, dtype=np.int64) - 510


def _assert_round_trip(tensors: list[IntegerTensor]) -> bytes:
    data = encode_tensors(tensors)
    specs = [tensor.spec for tensor in tensors]
    decoded = decode_tensors(data, specs)
    assert [tensor.spec for tensor in decoded] == specs
    assert digest(decoded) == digest(tensors)
    return data


@st.composite
def tensor_lists(draw: st.DrawFn) -> list[IntegerTensor]:
    """Lists of tensors of any shape, with constant, small, huge and skewed values and any step codes."""
    tensors = []
    for id in sorted(draw(st.sets(st.integers(0, 2**32 - 1), max_size=5))):
        shape = tuple(draw(st.lists(st.integers(1, 5), max_size=4)))
        axis = draw(st.one_of(st.none(), st.integers(0, len(shape) - 1))) if shape else None
        spec = TensorSpec(id, "t", shape, draw(st.sampled_from(Role)), axis)
        bound = draw(st.sampled_from([0, 1, 20, 32767]))
        low = draw(st.integers(-bound, bound))
        values = draw(st.lists(st.integers(low, bound), min_size=spec.size, max_size=spec.size))
        codes = draw(st.lists(st.integers(MIN_STEP_CODE, MAX_STEP_CODE), min_size=spec.n_steps, max_size=spec.n_steps))
        symbols = np.array(values, dtype=np.int32).reshape(shape)
        tensors.append(IntegerTensor(spec, symbols, np.array(codes, dtype=np.int16)))
    return tensors


@settings(deadline=None)
@given(tensor_lists())
def test_any_tensors_come_back(tensors: list[IntegerTensor]) -> None:
    data = _assert_round_trip(tensors)
    assert abs(estimate_bytes(tensors) - len(data)) <= 4


def test_no_tensors_are_no_bytes() -> None:
    assert encode_tensors([]) == b""
    assert decode_tensors(b"", []) == []
    assert tensor_costs([]) == []
    with pytest.raises(BitstreamError):
        decode_tensors(bytes(8), [])


def test_known_bytes() -> None:
    def tensor(id: int, shape: tuple[int, ...], axis: int | None, codes: list[int], symbols: object) -> IntegerTensor:
        spec = TensorSpec(id, f"t{id}", shape, Role.WEIGHT, axis)
        return IntegerTensor(
            spec, np.reshape(np.array(symbols, dtype=np.int32), shape), np.array(codes, dtype=np.int16)
        )

    tensors = [
        tensor(1, (4,), None, [-8], [0] * 4),
        tensor(2, (2, 51), 0, [-41, -38], np.arange(102) * 37 % 102 - 20),
        tensor(9, (3,), None, [0], [5] * 3),
        tensor(12, (6, 10), 1, list(range(-46, -36)), _noise(12, 60) // 50),
        tensor(14, (300,), None, [8], np.where(np.arange(300) % 7, 0, 9)),
        tensor(15, (10, 20), None, [-30], _noise(15, 200) // 60 * (1 + (_noise(16, 200) > 100))),
        tensor(17, (5, 6, 7, 2), 3, [-20, -21], _noise(17, 420).reshape(5, 84).cumsum(axis=0) // 80 + 2),
    ]
    models = [ModelId.ZERO, ModelId.RAW, ModelId.RAW, ModelId.GAUSSIAN, ModelId.LEARNED, ModelId.ADAPTIVE]
    assert [cost.model_id for cost in tensor_costs(tensors)] == [*models, ModelId.CONTEXT]
    assert _assert_round_trip(tensors).hex() == (
        "bb906bdb2a53cf56965cf7187ca019b90045f0a558b1184d422789badfcbd88cc9e0abf72cf9f882a0330970b77b9381"
        "6276a86c92deff22ac58a3e8840cb9b9831ea58aa269c20545ef0544160d83d63e7f3e16ea2f19a752d2440ebf82f635"
        "41ebd5acddc57a48fd4f75993065afdcd1c6bc436e11b920549446b5eee4f60a9414802b6dd421b9b0ee5795eede414a"
        "33d145045297dd6db389719913370400f0c3749c9a63610f45ad46c48d295f38b89c4228b227d5b9b41762b34b423ce5"
        "4c7b350f3e3c2509247e8eea039d0fc2904e9fd1361e4f34270282ea66df77ea45d18906c5fbb598f693bf8b94a44696"
        "4f533268a7a3176c9cbe5b43335341c4797b19885e1a6121d2be4fbf47a3783bc31b744956bf4067f865502c00f6aef7"
        "83cb0c6a3e074f5fe019b665ea739b01563dabf79f55b7e7c96d50464d0e6c69b79c44d1251fb92c16f9ada696af9ccf"
        "72c1d725c75cb3d115d495a167dfe0a01a040de640c25d568904f9b2fae83ab46c476e69b787ff8e1519c04793901df3"
        "0d0811c92e298bebca811b7568ce62f8c9debd34461b2f984070578df8ddbe030fdc4f2d73b0d952b287f41cb1081c86"
        "bb3d76a08eee71c9"
    )


def test_large_tensors_with_every_model() -> None:
    rng = np.random.default_rng(0)
    tensors = [_tensor(1, (30, 500), 2.0, 0), _tensor(2, (20000,), 0.1), _tensor(3, (3000,), 3000.0)]
    spec = TensorSpec(4, "mixture", (8, 100, 100), Role.GRID, None)
    mixture = rng.choice([0, 1, 2, 17], spec.shape, p=[0.8, 0.1, 0.05, 0.05]).astype(np.int32)
    tensors.append(IntegerTensor(spec, mixture, np.array([3], dtype=np.int16)))
    data = _assert_round_trip(tensors)
    assert abs(estimate_bytes(tensors) - len(data)) <= 4


def test_small_tensors_cost_little_more_than_their_entropy() -> None:
    rng = np.random.default_rng(0)
    tensors, ideal_bits = [], 0.0
    for id in range(45):
        size, sigma = int(rng.integers(64, 4097)), float(np.exp(rng.uniform(-0.7, 2.5)))
        tensors.append(_tensor(id, (size,), sigma))
        values, counts = np.unique(tensors[-1].symbols, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            edges = [math.erf((value + half) / (sigma * math.sqrt(2))) for half in (-0.5, 0.5)]
            ideal_bits -= count * math.log2(max((edges[1] - edges[0]) / 2, 1e-12))
    data = _assert_round_trip(tensors)
    symbol_bits = sum(cost.bits for cost in tensor_costs(tensors))
    step_bits = sum(cost.step_bits for cost in tensor_costs(tensors))
    assert 8 * len(data) <= 1.04 * ideal_bits
    assert (8 * len(data) - symbol_bits - step_bits) / 8 <= 2.5 * 45


def test_per_channel_steps_are_cheap() -> None:
    rng = np.random.default_rng(1)
    spec = TensorSpec(1, "w", (512, 2), Role.WEIGHT, 0)
    codes = np.rint(-50 + rng.normal(0, 1, 512)).astype(np.int16)
    cost = tensor_costs([IntegerTensor(spec, np.zeros(spec.shape, dtype=np.int32), codes)])[0]
    assert cost.bits == 0
    assert cost.step_bits / 512 < 3


def test_reports_of_encoder_and_decoder_agree() -> None:
    tensors = [_tensor(1, (500,), 3.0), _tensor(2, (40, 50), 1.0, 1), _tensor(5, (4,), 0.0)]
    data = encode_tensors(tensors)
    planned, found = tensor_costs(tensors), payload_costs(data, [tensor.spec for tensor in tensors])
    for before, after in zip(planned, found, strict=True):
        assert (before.spec, before.model_id) == (after.spec, after.model_id)
        assert before.bits == pytest.approx(after.bits)
        assert before.step_bits == pytest.approx(after.step_bits)
    assert sum(cost.bits + cost.step_bits for cost in found) < 8 * len(data)


def test_ids_must_ascend() -> None:
    tensors = [_tensor(2, (3,), 1.0), _tensor(1, (3,), 1.0)]
    with pytest.raises(ValueError, match="ascending"):
        encode_tensors(tensors)
    with pytest.raises(ValueError, match="ascending"):
        decode_tensors(bytes(8), [tensors[0].spec, tensors[0].spec])
