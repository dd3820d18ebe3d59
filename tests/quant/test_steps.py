"""Quantiser steps: exact values, rounding, and the one multiplication of dequantisation."""

from __future__ import annotations

import hashlib
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvcodec.quant.steps import dequantise, nearest_codes, quantise, step_values
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


def test_nearest_codes_invert_step_values_and_stop_at_the_ends() -> None:
    assert nearest_codes(step_values(ALL_CODES)).tolist() == ALL_CODES.tolist()
    assert nearest_codes([1e-30, 1.04, 1.05, 1e30]).tolist() == [MIN_STEP_CODE, 0, 1, MAX_STEP_CODE]
    with pytest.raises(ValueError, match="positive"):
        nearest_codes([1.0, 0.0])


def test_quantise_rounds_halves_to_even_and_clips() -> None:
    values = np.array([0.5, 1.5, -2.5, 0.49, 1e9, -1e9], dtype=np.float32)
    assert quantise(values, np.array([0]), None).tolist() == [0, 2, -2, 0, MAX_SYMBOL, -MAX_SYMBOL]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_quantise_refuses_what_is_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        quantise(np.array([value]), np.array([0]), None)


def test_each_element_of_the_axis_has_its_step() -> None:
    spec = TensorSpec(1, "w", (2, 3, 2), Role.WEIGHT, 1)
    codes = np.array([-8, 0, 8], dtype=np.int16)
    symbols = np.arange(12, dtype=np.int32).reshape(2, 3, 2)
    values = dequantise(IntegerTensor(spec, symbols, codes))
    assert values.dtype == np.float32
    assert values.tolist() == [[[0, 0.5], [2, 3], [8, 10]], [[3, 3.5], [8, 9], [20, 22]]]
    assert quantise(values, codes, 1).tolist() == symbols.tolist()


@given(
    symbol=st.integers(-MAX_SYMBOL, MAX_SYMBOL),
    code=st.integers(MIN_STEP_CODE, MAX_STEP_CODE),
)
def test_dequantised_symbols_quantise_to_themselves(symbol: int, code: int) -> None:
    codes = np.array([code], dtype=np.int16)
    spec = TensorSpec(1, "gain", (), Role.VECTOR, None)
    value = dequantise(IntegerTensor(spec, np.array(symbol, dtype=np.int32), codes))
    assert value.shape == ()
    assert quantise(value, codes, None) == symbol
