"""Specifications and integer tensors: what is accepted, what is refused, and the digest."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from nvcodec.quant.tensors import MAX_SYMBOL, IntegerTensor, Role, TensorSpec, digest

SPEC = TensorSpec(7, "head.weight", (2, 3), Role.WEIGHT, 1)
SYMBOLS = np.array([[1, -2, 3], [-4, 5, -MAX_SYMBOL]], dtype=np.int32)
CODES = np.array([-160, 0, 32], dtype=np.int16)


def test_size_and_steps_follow_from_shape_and_axis() -> None:
    assert (SPEC.size, SPEC.n_steps) == (6, 3)
    scalar = TensorSpec(0, "gain", (), Role.VECTOR, None)
    assert (scalar.size, scalar.n_steps) == (1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"id": -1},
        {"id": 1 << 32},
        {"shape": (2, 0)},
        {"step_axis": 2},
        {"step_axis": -1},
        {"step_axis": 0, "offset_axis": 0},
        {"step_axis": 0, "offset_axis": 2},
        {"step_axis": None, "offset_axis": 1},
    ],
)
def test_impossible_specification_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="head.weight"):
        TensorSpec(**{**vars(SPEC), **change})


@pytest.mark.parametrize(
    ("symbols", "codes"),
    [
        (SYMBOLS.astype(np.int64), CODES),
        (SYMBOLS.T, CODES),
        (SYMBOLS * 2, CODES),
        (SYMBOLS, CODES.astype(np.int32)),
        (SYMBOLS, CODES[:2]),
        (SYMBOLS, CODES + np.int16(1)),
        (SYMBOLS, CODES - np.int16(1)),
    ],
)
def test_wrong_arrays_are_refused(symbols: Any, codes: Any) -> None:
    with pytest.raises(ValueError, match=r"tensor 7 \(head.weight\)"):
        IntegerTensor(SPEC, symbols, codes)


def test_digest_is_sha256_of_the_documented_layout() -> None:
    layout = bytes.fromhex(
        "07000000 02000000 02000000 03000000"  # id, number of dimensions, dimensions
        "60ff 0000 2000"  # step codes
        "0100 feff 0300 fcff 0500 0180"  # symbols
    )
    tensor = IntegerTensor(SPEC, SYMBOLS, CODES)
    assert digest([tensor]) == hashlib.sha256(layout).digest()[:16]
    assert digest([tensor, tensor]) == hashlib.sha256(2 * layout).digest()[:16]


def test_digest_does_not_depend_on_memory_layout_or_name() -> None:
    fortran = IntegerTensor(SPEC, np.asfortranarray(SYMBOLS), CODES)
    renamed = IntegerTensor(TensorSpec(7, "other", (2, 3), Role.GRID, 1), SYMBOLS, CODES)
    assert digest([fortran]) == digest([renamed]) == digest([IntegerTensor(SPEC, SYMBOLS, CODES)])


def test_digest_sees_every_integer() -> None:
    tensors = []
    for position in range(6):
        symbols = SYMBOLS.copy()
        symbols.flat[position] += 1
        tensors.append(IntegerTensor(SPEC, symbols, CODES))
    tensors.append(IntegerTensor(SPEC, SYMBOLS, CODES + np.array([1, 0, 0], dtype=np.int16)))
    tensors.append(IntegerTensor(SPEC, SYMBOLS, CODES))
    assert len({digest([tensor]) for tensor in tensors}) == 8
