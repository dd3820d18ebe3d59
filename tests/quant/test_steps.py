"""Quantiser steps: exact values, rounding, and the one multiplication of dequantisation."""

from __future__ import annotations

import hashlib
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.quant.steps import dequantise, step_values
from nvcodec.quant.tensors import MAX_STEP_CODE, MAX_SYMBOL, MIN_STEP_CODE, IntegerTensor, Role, TensorSpec

ALL_CODES = np.arange(MIN_STEP_CODE, MAX_STEP_CODE + 1, dtype=np.int16)


def test_steps_are_the_float32_nearest_to_two_to_the_code_eighths() -> None:
    with localcontext() as context:
        context.prec = 40
        exact = [float(Decimal(2) ** (Decimal(int(code)) / 8)) for code in ALL_CODES]
    assert step_values(ALL_CODES).tolist() == np.array(exact, dtype=np.float32).tolist()


def test_steps_are_the_same_bits_for_ever() -> None:
    steps = step_values(ALL_CODES)
    assert steps.dtype == np.float32
    assert hashlib.sha256(steps.astype("<f4").tobytes()).hexdigest() == (
        "d5cf5ed34e2feae95968d331c72d34f3ed55a0562a25875a6478dc8fb7e098ee"
    )


@pytest.mark.parametrize("code", [MIN_STEP_CODE - 1, MAX_STEP_CODE + 1])
def test_code_out_of_range_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match="step code"):
        step_values(np.array([0, code]))


def test_each_element_of_the_axis_has_its_step() -> None:
    spec = TensorSpec(1, "w", (2, 3, 2), Role.WEIGHT, 1)
    codes = np.array([-8, 0, 8], dtype=np.int16)
    symbols = np.arange(12, dtype=np.int32).reshape(2, 3, 2)
    values = dequantise(IntegerTensor(spec, symbols, codes))
    assert values.dtype == np.float32
    assert values.tolist() == [[[0, 0.5], [2, 3], [8, 10]], [[3, 3.5], [8, 9], [20, 22]]]


def test_offsets_make_the_steps_of_another_axis_finer_or_coarser() -> None:
    spec = TensorSpec(1, "w", (2, 3), Role.WEIGHT, 0, 1)
    codes = np.array([-8, 8, 0, -8, 16], dtype=np.int16)
    values = dequantise(IntegerTensor(spec, np.ones((2, 3), dtype=np.int32), codes))
    assert values.tolist() == [[0.5, 0.25, 2], [2, 1, 8]]


@pytest.mark.parametrize("codes", [[0, 25, 8, 0, 0], [-153, 0, 0, -8, 0], [33, 0, -8, -8, -8], [0, 0, 40, 0, 0]])
def test_codes_that_leave_the_range_with_their_offsets_are_refused(codes: list[int]) -> None:
    spec = TensorSpec(1, "w", (2, 3), Role.WEIGHT, 0, 1)
    with pytest.raises(ValueError, match="step codes out of"):
        IntegerTensor(spec, np.zeros((2, 3), dtype=np.int32), np.array(codes, dtype=np.int16))


@given(
    symbol=st.integers(-MAX_SYMBOL, MAX_SYMBOL),
    code=st.integers(MIN_STEP_CODE, MAX_STEP_CODE),
)
def test_a_value_divided_by_its_step_is_its_symbol(symbol: int, code: int) -> None:
    codes = np.array([code], dtype=np.int16)
    spec = TensorSpec(1, "gain", (), Role.VECTOR, None)
    value = dequantise(IntegerTensor(spec, np.array(symbol, dtype=np.int32), codes))
    assert value.shape == ()
    assert np.rint(value.astype(np.float64) / step_values(codes)[0]) == symbol
