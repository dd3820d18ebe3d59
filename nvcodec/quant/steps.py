"""Quantiser steps as small integers, and the one multiplication that turns symbols back into numbers.

A step code c stands for the step 2^(c/8). The eight mantissas 2^(k/8) are frozen float32 values and the rest is an
exact change of exponent, so every machine computes the same step, bit by bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nvcodec.quant.tensors import MAX_STEP_CODE, MAX_SYMBOL, MIN_STEP_CODE, IntegerTensor

_MANTISSAS = np.array(
    [
        float.fromhex(mantissa)
        for mantissa in (
            "0x1.000000p+0",
            "0x1.172b84p+0",
            "0x1.306fe0p+0",
            "0x1.4bfdaep+0",
            "0x1.6a09e6p+0",
            "0x1.8ace54p+0",
            "0x1.ae89fap+0",
            "0x1.d5818ep+0",
        )
    ],
    dtype=np.float32,
)


def step_values(codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """Return the quantiser steps that step codes stand for.

    Args:
        codes: Step codes, any shape, in MIN_STEP_CODE..MAX_STEP_CODE.

    Returns:
        2^(code/8), same shape, 2^-20..2^4.

    Raises:
        ValueError: A code is out of range.
    """
    wide = np.asarray(codes, dtype=np.int32)
    if wide.size and (wide.min() < MIN_STEP_CODE or wide.max() > MAX_STEP_CODE):
        raise ValueError(f"step code out of {MIN_STEP_CODE}..{MAX_STEP_CODE}: {wide.min()}..{wide.max()}")
    steps: npt.NDArray[np.float32] = np.ldexp(_MANTISSAS[wide & 7], wide >> 3)
    return steps


def nearest_codes(steps: npt.ArrayLike) -> npt.NDArray[np.int16]:
    """Return the step codes nearest to wanted steps, on a logarithmic scale.

    Args:
        steps: Positive steps, any shape.

    Returns:
        Step codes of the same shape; steps beyond the ends get the first or last code.

    Raises:
        ValueError: A step is not a positive number.
    """
    wanted = np.asarray(steps, dtype=np.float64)
    if not (wanted > 0).all():
        raise ValueError("steps must be positive numbers")
    codes: npt.NDArray[np.float64] = np.clip(np.rint(8 * np.log2(wanted)), MIN_STEP_CODE, MAX_STEP_CODE)
    return codes.astype(np.int16)


def quantise(
    values: npt.NDArray[np.floating], step_codes: npt.NDArray[np.integer], axis: int | None
) -> npt.NDArray[np.int32]:
    """Round values to whole steps, halves to even.

    Args:
        values: Finite numbers, any shape.
        step_codes: One code per element of ``axis``, or a single one when ``axis`` is None.
        axis: The axis of ``values`` that has a step per element.

    Returns:
        Symbols of the same shape, clipped to -MAX_SYMBOL..MAX_SYMBOL.

    Raises:
        ValueError: A value is not finite or a code is out of range.
    """
    if not np.isfinite(values).all():
        raise ValueError("cannot quantise values that are not finite")
    steps = _along_axis(step_values(step_codes), values.ndim, axis).astype(np.float64)
    return np.clip(np.rint(values / steps), -MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)


def dequantise(tensor: IntegerTensor) -> npt.NDArray[np.float32]:
    """Return the numbers a tensor's integers stand for: float32(symbol) x step, one float32 multiplication.

    Args:
        tensor: Symbols and step codes.

    Returns:
        Array of the tensor's shape.
    """
    steps = _along_axis(step_values(tensor.step_codes), len(tensor.spec.shape), tensor.spec.step_axis)
    return np.asarray(tensor.symbols.astype(np.float32) * steps, dtype=np.float32)


def _along_axis(steps: npt.NDArray[np.float32], ndim: int, axis: int | None) -> npt.NDArray[np.float32]:
    """Shape [n] steps so that they broadcast along one axis of an ``ndim``-dimensional array."""
    if axis is None:
        return steps.reshape((1,) * ndim)
    return steps.reshape([-1 if i == axis else 1 for i in range(ndim)])
