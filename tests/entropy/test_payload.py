"""Payload: round trips, known bytes, size, and reports."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvcodec.entropy.models import ModelId
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
        shape = tuple(draw(st.lists(st.integers(1, 5), max_size=3)))
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
    ]
    models = [ModelId.ZERO, ModelId.RAW, ModelId.RAW, ModelId.GAUSSIAN, ModelId.LEARNED, ModelId.ADAPTIVE]
    assert [cost.model_id for cost in tensor_costs(tensors)] == models
    assert _assert_round_trip(tensors).hex() == (
        "3aaf5608f1a7b0842494836d9c888cc1381d4b8e9fce9cadefbca631dff8ae0652a58f79293635a942a0bc47593794b8"
        "87b2abd9fdde47305697587d6f3bd19313dd891121407e53ba2e5b919416b749b5b333174dce29adb8038741a62cad35"
        "fa4e17a2ee26d7d06e2ef80fcc5ae396096ffb2538354d48caa14b8401076dc5a0c783cc50007722425895cd29b40d72"
        "22f77e1425a9d36e5b64c79b133a57799ed3dd43303926f3cd9c960233c3835b67eaa8656dcbd902df71eb3e336c5a99"
        "37082aaf9e985c0341de3b44c3fdb7c865abe567694bd6af4f5b4611b51fafedd542dd966887afaa3fe5285c7eb828e4"
        "e2331348d2d51e8587c4a6827894c1982229adeae8489bd2bacb30aa2b362177"
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
