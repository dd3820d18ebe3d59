"""Quantiser steps as small integers, and the one multiplication that turns symbols back into numbers.

A step code c stands for the step 2^(c/8). The eight mantissas 2^(k/8) are frozen float32 values and the rest is an
exact change of exponent, so every machine computes the same step, bit by bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nvcodec.quant.tensors import MAX_STEP_CODE, MIN_STEP_CODE, IntegerTensor, TensorSpec

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


def tensor_steps(spec: TensorSpec, step_codes: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """Return the steps of a tensor's values.

    Args:
        spec: The tensor.
        step_codes: Its codes, [spec.n_steps], as in :class:`IntegerTensor`.

    Returns:
        float32, of as many dimensions as the tensor and broadcastable to its shape.

    Raises:
        ValueError: A code, or a code with its offset, is out of range.
    """
    first, offsets = np.split(step_codes.astype(np.int32), [spec.n_first_steps])
    codes = _along_axis(first, spec, spec.step_axis)
    if spec.offset_axis is not None:
        codes = codes + _along_axis(offsets, spec, spec.offset_axis)
    return step_values(codes)


def dequantise(tensor: IntegerTensor) -> npt.NDArray[np.float32]:
    """Return the numbers a tensor's integers stand for: float32(symbol) x step, one float32 multiplication.

    Args:
        tensor: Symbols and step codes.

    Returns:
        Array of the tensor's shape.
    """
    steps = tensor_steps(tensor.spec, tensor.step_codes)
    return np.asarray(tensor.symbols.astype(np.float32) * steps, dtype=np.float32)


def _along_axis(codes: npt.NDArray[np.int32], spec: TensorSpec, axis: int | None) -> npt.NDArray[np.int32]:
    """Shape [n] codes so that they broadcast along one axis of a tensor."""
    return codes.reshape([-1 if i == axis else 1 for i in range(len(spec.shape))])
